"""Generates pages of the site, and changes the links of all pages.

Links in the repository are paths between its files. On the site they lead to
the pages of these files. Every file that a page links to is part of the site.
"""

import argparse
import ast
import json
import os
import pathlib
import re

from mkdocs.structure.files import File

DOCS = pathlib.Path(__file__).parent
ROOT = DOCS.parent
# The path within the repository in [text](path) and ![text](path).
LINK = re.compile(r"(?<=\]\()\s*(?!\w+:|#)([^)#\s]+)")
# Code within a sentence, and a word with hyphens.
CODE = re.compile(r"(?<!</span>)<code>[^<]+</code>")
HYPHENS = re.compile(r"[\w\[\].]*-[\w\[\].-]+")
# The file in the repository of each page, by the page's address.
SOURCES = {}


def on_config(config, **_):
    """Adds the modules of the API to the end of the menu."""
    names = ["api/index.md", *(uri for uri in api() if "index" not in uri)]
    config.nav.append({"API": names})


def on_files(files, config, **_):
    """Adds the README, the files that pages link to, and the API."""
    sources = [ROOT / "README.md", *DOCS.rglob("*.md")]
    for source in sources:
        SOURCES[address(source)] = source
        if source.suffix == ".md":
            # The list grows during the loop: added pages have links, too.
            links = (follow(source, to) for to in LINK.findall(read(source)))
            sources += [to for to in links if to not in sources]
    for uri, source in SOURCES.items():
        if not source.is_relative_to(DOCS):
            content = read(source)
            files.append(File.generated(config, uri, content=content))
    for uri, content in api().items():
        files.append(File.generated(config, uri, content=content))
    return files


def on_page_markdown(markdown, page, **_):
    """Changes links to the pages of their files; adds all flags."""
    here = page.file.src_uri
    if here not in SOURCES:
        return markdown
    if here == "command_line.md":
        markdown += "\n\n" + command_line()

    def point(match):
        to = address(follow(SOURCES[here], match[1]))
        return os.path.relpath(to, os.path.dirname(here))

    return LINK.sub(point, markdown)


def on_page_content(html, **_):
    """Keeps names such as `--recipe` from breaking at hyphens."""
    whole = r'<span class="whole">\g<0></span>'
    return CODE.sub(lambda match: HYPHENS.sub(whole, match[0]), html)


def follow(source, link):
    return (source.parent / link).resolve()


def address(source):
    """Returns the address on the site of a file of the repository."""
    if source == ROOT / "README.md":
        return "index.md"
    inner = source.is_relative_to(DOCS)
    path = source.relative_to(DOCS if inner else ROOT)
    return path.as_posix().replace(".ipynb", ".md")


def read(source):
    """Returns the text of a page or notebook as Markdown; else the bytes."""
    if source.suffix == ".ipynb":
        return "\n\n".join(
            map(cell_text, json.loads(source.read_text())["cells"])
        )
    return (
        source.read_text("utf-8")
        if source.suffix == ".md"
        else source.read_bytes()
    )


def cell_text(cell):
    """Returns a cell of a notebook with its pictures and printed output."""
    text = "".join(cell["source"])
    if cell["cell_type"] == "markdown":
        return text
    parts = [f"```python\n{text}\n```"]
    for output in cell["outputs"]:
        data = output.get("data", {})
        if "image/png" in data:
            png = "".join(data["image/png"]).replace("\n", "")
            parts.append(f"![Output](data:image/png;base64,{png})")
        else:
            printed = "".join(output.get("text", data.get("text/plain", "")))
            parts.append(f"```text\n{printed.rstrip()}\n```")
    return "\n\n".join(parts)


def command_line():
    """Returns all commands with their flags, from the real parser."""
    from keras_dim.cli import main

    parser = main._parser()
    (commands,) = (
        action.choices
        for action in parser._actions
        if isinstance(action, argparse._SubParsersAction)
    )
    parts = []
    for name, command in commands.items():
        flags = ["| flag | |", "| --- | --- |"]
        for action in command._actions:
            names = ", ".join(action.option_strings) or action.dest
            help = (action.help or "") % vars(action)
            flags.append(f"| `{names}` | {help.replace('|', chr(92) + '|')} |")
        parts += [f"## keras-dim {name}", command.description, "\n".join(flags)]
    return "\n\n".join(parts)


def api():
    """Returns a page for each public module, and a table of them."""
    import keras_dim

    homes = {*keras_dim._MODULE_OF.values(), *keras_dim.__all__}
    pages, rows = {}, ["# The API", "", "| module | |", "| --- | --- |"]
    for name in sorted(homes):
        path = ROOT / "keras_dim" / name / "__init__.py"
        if not path.exists():
            path = ROOT / "keras_dim" / f"{name}.py"
        if path.exists():
            tree = ast.parse(path.read_text("utf-8"))
            text = ast.get_docstring(tree)
            page = [
                f"# {name}",
                text,
                *(f"::: {path}" for path in members(name, tree)),
            ]
            pages[f"api/{name}.md"] = "\n\n".join(page)
            summary = text.splitlines()[0]
            rows.append(f"| [`keras_dim.{name}`]({name}.md) | {summary} |")
    return {"api/index.md": "\n".join(rows), **pages}


def members(name, tree):
    """Returns the full names of a module's public names, where defined."""
    package = f"keras_dim.{name}"
    public, found = [], []
    for node in tree.body:
        if isinstance(node, ast.Assign) and node.targets[0].id == "__all__":
            public = [x.value for x in node.value.elts if hasattr(x, "value")]
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.append(f"{package}.{node.name}")
        # Names of other packages are on their own pages.
        elif isinstance(node, ast.ImportFrom) and re.match(
            rf"{package}\b|keras_dim\.catalog", node.module
        ):
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return [
        path
        for path in found
        if path.rpartition(".")[2] in public or not public
        # A module that is listed as a whole has its names on its page.
        if path.rpartition(".")[0] not in found
        if "._" not in path
    ]
