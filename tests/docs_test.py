"""README and docs: code runs, commands parse, links lead to something.

A block of Python runs after those above it on its page, in a folder with small
images, by encoders of a few units, on one batch of a training. Beside the
modules `keras`, `keras_dim` and `np` it may use `photos`, `(8, 32, 32, 3)`, and
`labels`. `<!-- not run: reason -->` before a block leaves it out.
"""

import contextlib
import functools
import importlib.util
import inspect
import pathlib
import re
import shlex
import subprocess
import sys

import keras
import numpy as np
import pytest
import tiny_encoder
import tiny_images
from serving.conformance_server import ConformanceServer
from serving.conformance_server import Model

import keras_dim
from keras_dim import exporting
from keras_dim import recipes
from keras_dim.cli import main
from keras_dim.exporting import parity
from keras_dim.methods import replicated

ROOT = pathlib.Path(__file__).parents[1]
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text("utf-8")
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
}
WITH_CODE = [page for page, text in PAGES.items() if "```python" in text]
# Pages whose commands and links are checked, too.
OTHERS = {
    path.relative_to(ROOT).as_posix(): path.read_text("utf-8")
    for path in [
        ROOT / "CONTRIBUTING.md",
        ROOT / "CHANGELOG.md",
        *sorted((ROOT / "saved_models").rglob("*.md")),
    ]
}
BLOCK = re.compile(
    r"^(?:<!-- (?P<mark>not run): [^>]+ -->\n)?"
    r"```(?P<language>\w*)\n(?P<text>.*?)^```$",
    re.M | re.S,
)
LINK = re.compile(r"\]\(\s*(?!\w+:)([^)#\s]*)(?:#([^)\s]+))?\s*\)")
SMALL = {
    "amdim_resnet": {"base_width": 4, "representation_units": 16, "depth": 1},
    "dim_convnet": {"filters": (4, 4, 4), "units": 8},
}


def blocks(text, language):
    """Yields the mark and the text of each block of a language."""
    for match in BLOCK.finditer(text):
        if match["language"] == language:
            yield match["mark"], match["text"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Photographs with and without labels, and two runs."""
    folder = tmp_path_factory.mktemp("docs")
    places = ["photos"]
    for source in ("cifar10", "labelled"):
        for split in ("train", "test"):
            places += [f"{source}/{split}/{name}" for name in ("cat", "dog")]
    for number, place in enumerate(places):
        (folder / place).mkdir(parents=True)
        for i in range(8):
            pixels = tiny_images.pixels(10 * number + i, (32, 32, 3))
            file = folder / place / f"{i}.png"
            file.write_bytes(tiny_images.encode(pixels))
    keras.utils.set_random_seed(0)
    for name, size, channels in (("photos", 32, 3), ("digits", 28, 1)):
        encoder = tiny_encoder.tiny_encoder(size, channels)
        (folder / "runs" / name).mkdir(parents=True)
        encoder.save(folder / "runs" / name / "encoder.keras")
    return folder


@pytest.fixture
def small(monkeypatch):
    """Limits trainings to one batch of at most eight images, uncompiled."""

    def replace(owner, name, change):
        """Replaces a function by `change(function, *arguments)`."""
        function = getattr(owner, name)

        @functools.wraps(function)
        def changed(*args, **kwargs):
            return change(function, *args, **kwargs)

        monkeypatch.setattr(owner, name, changed)

    def load(function, *args, **kwargs):
        given = inspect.signature(function).bind(*args, **kwargs)
        given.apply_defaults()
        given.arguments["batch_size"] = min(given.arguments["batch_size"], 8)
        return function(*given.args, **given.kwargs)

    def resnet(function, *args, **kwargs):
        given = inspect.signature(function).bind(*args, **kwargs)
        return tiny_encoder.tiny_encoder(given.arguments["image_size"])

    def fit(function, *args, **kwargs):
        steps = {"steps_per_epoch": 1, "verbose": 0}
        if "validation_data" in kwargs:
            steps["validation_steps"] = 1
        return function(*args, **(kwargs | steps | {"epochs": 1}))

    def predict(function, self, *args, **kwargs):
        self.run_eagerly = True
        return function(self, *args, **kwargs)

    replace(keras_dim.data, "load", load)
    replace(keras_dim.encoders, "resnet", resnet)
    for name, least in SMALL.items():
        replace(
            keras_dim.encoders,
            name,
            lambda function, *a, _least=least, **k: function(*a, **k | _least),
        )
    replace(keras.Model, "fit", fit)
    replace(keras.Model, "predict", predict)
    replace(
        keras.Model, "compile", lambda f, *a, **k: f(*a, **k, run_eagerly=True)
    )
    # Pages have queues and banks for all images of CIFAR-10.
    for method in keras_dim.MoCo, replicated.ReplicatedModel:
        monkeypatch.setattr(method, "check_num_images", lambda *_, **__: None)
    # Comparing an export by its runtimes takes seconds.
    monkeypatch.setattr(parity, "report", lambda *_: {})


@contextlib.contextmanager
def served(text, folder):
    """Yields the text with the addresses of a server for a tiny encoder."""
    exporting.export(tiny_encoder.tiny_encoder(32), folder / "served")
    with ConformanceServer({"cifar10": Model(folder / "served")}) as server:
        text = text.replace("http://localhost:8501", server.rest)
        yield text.replace("localhost:8500", server.grpc)


@pytest.mark.parametrize("page", WITH_CODE)
def test_code_runs(page, folder, small, tmp_path, monkeypatch):
    """The blocks of a page run in one namespace."""
    text = PAGES[page]
    for path in folder.iterdir():
        (tmp_path / path.name).symlink_to(path)
    monkeypatch.chdir(tmp_path)
    names = {"keras": keras, "keras_dim": keras_dim, "np": np}
    names["photos"] = tiny_encoder.pixels(np.random.default_rng(0), 8, 32)
    names["labels"] = np.arange(8) % 2
    with contextlib.ExitStack() as stack:
        if "localhost:85" in text:
            text = stack.enter_context(served(text, tmp_path))
        for mark, code in blocks(text, "python"):
            if not mark:
                exec(compile(code, page, "exec"), names)


def commands(text):
    """Yields the words of each command `keras-dim` in blocks."""
    for _, block in blocks(text, ""):
        for line in block.replace("\\\n", " ").splitlines():
            if match := re.match(r"(?:[A-Z_]+=\S+ )*keras-dim (.*)", line):
                yield shlex.split(match[1], comments=True)


@pytest.mark.parametrize(
    "page",
    [
        page
        for page, text in (PAGES | OTHERS).items()
        # The changelog has former commands.
        if "keras-dim" in text and page != "CHANGELOG.md"
    ],
)
def test_commands_are_parsed(page):
    text = (PAGES | OTHERS)[page]
    parser = main._parser()
    for words in commands(text):
        options, unknown = parser.parse_known_args(words)
        assert unknown == [], words
        if getattr(options, "recipe", None) in recipes.RECIPES:
            recipes.get(options.recipe).replace(**options.set)
    # In sentences a command may be incomplete.
    (of_commands,) = (a.choices for a in parser._actions if a.choices)
    for command, rest in re.findall(r"`keras-dim\s([a-z]+)([^`]*)`", text):
        known = of_commands[command]._option_string_actions
        assert set(re.findall(r"--\w+", rest)) <= known.keys(), (command, rest)


def test_flags_in_sentences_are_those_of_a_command():
    (of_commands,) = (a.choices for a in main._parser()._actions if a.choices)
    known = set().union(
        *(parser._option_string_actions for parser in of_commands.values())
    )
    scripts = [*ROOT.glob("benchmarks/*.py"), *ROOT.glob("keras_dim/beam/*.py")]
    for script in scripts:
        known |= set(re.findall(r'"(--\w+)"', script.read_text("utf-8")))
    named = {
        (page, flag)
        for page, text in PAGES.items()
        for code in re.findall(r"`(--[^`]+)`", BLOCK.sub("", text))
        for flag in re.findall(r"(?<!\w)--\w+", code)
    }

    assert ("docs/resuming.md", "--resume") in named
    assert {(page, flag) for page, flag in named if flag not in known} == set()


def slugs(text):
    """Returns the anchors of the headings of a page."""
    text = BLOCK.sub("", text)
    for heading in re.findall(r"^#+ (.+)$", text, re.M):
        kept = re.sub(r"[^\w\s-]", "", heading.lower()).strip()
        yield re.sub(r"[\s-]+", "-", kept)


@pytest.mark.parametrize("page", PAGES | OTHERS)
def test_links_lead_to_files_and_headings(page):
    for path, heading in LINK.findall(BLOCK.sub("", (PAGES | OTHERS)[page])):
        target = (ROOT / page).parent / path if path else ROOT / page
        assert target.is_file(), path
        if heading:
            assert heading in slugs(target.read_text("utf-8")), (path, heading)


def test_files_that_pages_name_exist():
    named = {
        path
        for text in PAGES.values()
        for path in re.findall(
            r"\b((?:benchmarks|docs|notebooks|tests)/\w[\w/]*\.\w+)", text
        )
    }

    assert "benchmarks/train_step.py" in named
    assert [path for path in named if not (ROOT / path).is_file()] == []


def test_names_of_the_package_on_pages_exist():
    modules = filter(str.islower, keras_dim.__all__)
    pattern = rf"`(?:keras_dim\.)?((?:{'|'.join(modules)})(?:\.\w+)+)"
    named = {
        (page, name)
        for page, text in PAGES.items()
        for name in re.findall(pattern, text)
        if not name.endswith((".png", ".py"))
    }
    missing = []
    for page, name in named:
        value = keras_dim
        for part in name.split("."):
            value = getattr(value, part, None)
        if value is None:
            missing.append((page, name))

    assert ("docs/board.md", "evaluation.Board") in named
    assert missing == []


def test_the_readme_is_short():
    assert len(PAGES["README.md"].splitlines()) <= 200


def test_the_menu_of_the_site_has_every_page():
    menu = (ROOT / "mkdocs.yml").read_text("utf-8")
    pages = [p.removeprefix("docs/") for p in PAGES if p != "README.md"]

    assert [page for page in pages if f": {page}\n" not in menu] == []


@pytest.mark.slow
@pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("mkdocs", "mkdocstrings"))),
    reason="the extra `docs` is not installed",
)
def test_the_site_is_built_without_warnings(tmp_path):
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-d"]
    done = subprocess.run(
        [*command, tmp_path], cwd=ROOT, capture_output=True, text=True
    )

    assert done.returncode == 0, done.stderr
    flags = (tmp_path / "command_line.html").read_text("utf-8")
    assert "--checkpoint_minutes" in flags
    api = (tmp_path / "api/encoders.html").read_text("utf-8")
    assert re.search(r'<h2 id="keras_dim\.encoders\.\w+\.dim_convnet"', api)
