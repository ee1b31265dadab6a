"""Generates each notebook from the script beside it, and runs it.

Equal scripts give equal notebooks: cells have numbers instead of random names,
and times and versions are removed.
"""

import argparse
import pathlib

import jupytext
import nbclient
import nbformat

FOLDER = pathlib.Path(__file__).parent
# The beginnings of TensorFlow's own messages.
TALK = ("INFO:", "WARNING:tensorflow:")


def build(script: pathlib.Path) -> nbformat.NotebookNode:
    """Returns the notebook of a script, without outputs."""
    cells = jupytext.read(script).cells
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
        cell["metadata"] = {}
    kernel = {"name": "python3", "display_name": "Python 3"}
    return nbformat.v4.new_notebook(
        cells=cells, metadata={"kernelspec": kernel | {"language": "python"}}
    )


def run(notebook: nbformat.NotebookNode, folder: pathlib.Path) -> None:
    """Runs a notebook in place, with `folder` as the working directory."""
    nbclient.NotebookClient(
        notebook,
        timeout=1200,
        record_timing=False,
        resources={"metadata": {"path": str(folder)}},
    ).execute()
    # It has the version of Python.
    notebook.metadata.pop("language_info", None)
    tidy(notebook)


def tidy(notebook: nbformat.NotebookNode) -> None:
    """Removes TensorFlow's messages about itself and this machine."""
    for cell in notebook.cells:
        if "outputs" in cell:
            cell["outputs"] = [
                output
                for output in cell["outputs"]
                if output.get("name") != "stderr"
                and not str(output.get("text", "")).startswith(TALK)
            ]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scripts", nargs="*", type=pathlib.Path)
    scripts = parser.parse_args().scripts or sorted(FOLDER.glob("[!_]*.py"))
    for script in scripts:
        notebook = build(script)
        run(notebook, script.parent)
        target = script.with_suffix(".ipynb")
        nbformat.write(notebook, target)
        print(target)


if __name__ == "__main__":
    main()
