"""The content of a wheel that is built from this tree."""

import configparser
import email
import importlib
import pathlib
import re
import shutil
import subprocess
import sys
import zipfile

import pytest

import keras_dim

ROOT = pathlib.Path(__file__).parents[1]
PRESET_FILES = (
    "config.json",
    "encoder.keras",
    "metadata.json",
    "README.md",
    "SHA256SUMS",
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The open wheel of a copy of the tree with one more preset."""
    tree = tmp_path_factory.mktemp("tree")
    leave = shutil.ignore_patterns("__pycache__")
    for name in ("keras_dim", "saved_models"):
        shutil.copytree(ROOT / name, tree / name, ignore=leave)
    for path in ROOT.glob("*"):
        if path.is_file():
            shutil.copy(path, tree)
    preset = tree / "saved_models" / "made_up_preset"
    preset.mkdir()
    for name in (*PRESET_FILES, "encoder.keras.tmp"):
        (preset / name).write_text("made up")
    # Without isolation pip needs no network: it uses the installed setuptools.
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
        + ["--no-index", "--no-build-isolation", "--wheel-dir", tree, tree],
        check=True,
        stdin=subprocess.DEVNULL,
        timeout=300,
    )
    (path,) = tree.glob("*.whl")
    with zipfile.ZipFile(path) as opened:
        yield opened


def test_extras_in_messages_and_pages_exist():
    found = re.findall(
        r"^        \"(\w+)\": [A-Z]+,$", (ROOT / "setup.py").read_text(), re.M
    )
    texts = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    texts += (ROOT / "keras_dim").rglob("*.py")
    named = {
        (path.name, name)
        for path in texts
        for names in re.findall(
            r"\bextras?\s+`(\w+)`|keras-dim\[(\w+)\]", path.read_text("utf-8")
        )
        for name in names
        if name
    }

    assert ("serving.md", "litert") in named
    assert {(path, name) for path, name in named if name not in found} == set()


def read(wheel, name):
    (path,) = [p for p in wheel.namelist() if p.endswith(f".dist-info/{name}")]
    return wheel.read(path).decode()


def test_the_wheel_has_every_module(wheel):
    modules = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "keras_dim").rglob("*.py")
    }

    assert modules - set(wheel.namelist()) == set()
    assert "keras_dim/py.typed" in wheel.namelist()
    page = {f"keras_dim/report/page.{kind}" for kind in ("css", "html", "js")}
    assert page <= set(wheel.namelist())


def test_the_wheel_has_every_preset_and_no_other_files(wheel):
    presets = {p.name for p in (ROOT / "saved_models").iterdir() if p.is_dir()}
    expected = {
        f"keras_dim/saved_models/{preset}/{name}"
        for preset in presets | {"made_up_preset"}
        for name in PRESET_FILES
    }
    held = {n for n in wheel.namelist() if "/saved_models/" in n}

    assert held == expected


def test_the_wheel_has_only_the_package(wheel):
    tops = {name.split("/")[0] for name in wheel.namelist()}

    assert {top for top in tops if not top.endswith(".dist-info")} == {
        "keras_dim"
    }


def test_the_console_script_names_an_existing_function(wheel):
    scripts = configparser.ConfigParser()
    scripts.read_string(read(wheel, "entry_points.txt"))
    module, function = scripts["console_scripts"]["keras-dim"].split(":")

    assert callable(getattr(importlib.import_module(module), function))


def test_the_metadata_have_version_licence_and_pythons(wheel):
    metadata = email.message_from_string(read(wheel, "METADATA"))

    assert metadata["Version"] == keras_dim.__version__
    assert "Apache-2.0" in (
        metadata["License"],
        metadata["License-Expression"],
    )
    assert set(metadata["Requires-Python"].split(",")) == {">=3.11", "<3.14"}
    assert set(metadata.get_all("Provides-Extra")) == {
        "beam",
        "dicom",
        "docs",
        "jax",
        "litert",
        "notebooks",
        "onnx",
        "openvino",
        "parquet",
        "plots",
        "serving",
        "test",
        "tiff",
    }


def test_every_dependency_has_a_lower_bound_and_a_reason():
    # `make test-oldest` reads the bounds from these lines.
    lines = (ROOT / "setup.py").read_text().splitlines()
    wanted = re.compile(r'    "[A-Za-z0-9_-]+>=[0-9.]+",')
    lists = "\n".join(lines).split("def version")[0].splitlines()
    entries = [i for i, line in enumerate(lists) if line.startswith('    "')]

    assert entries
    for i in entries:
        assert wanted.fullmatch(lists[i]), lists[i]
        # pytest needs no reason.
        assert lists[i - 1].startswith("    #") or "pytest" in lists[i]


def test_the_version_is_in_the_changelog():
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")

    assert f"## {keras_dim.__version__}" in changelog
