"""The notebooks have the cells of their scripts, and run."""

import importlib.util
import pathlib

import nbformat
import pytest

FOLDER = pathlib.Path(__file__).parents[1] / "notebooks"
SCRIPTS = sorted(FOLDER.glob("[!_]*.py"))


@pytest.fixture(scope="module")
def build():
    spec = importlib.util.spec_from_file_location(
        "_build", FOLDER / "_build.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_notebook_has_the_cells_of_its_script(script, build):
    committed = nbformat.read(script.with_suffix(".ipynb"), as_version=4)

    sources = [cell.source for cell in build.build(script).cells]

    assert [cell.source for cell in committed.cells] == sources


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_draws(script, build, tmp_path):
    notebook = build.build(script)

    build.run(notebook, tmp_path)

    pictures = [
        output
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if "image/png" in output.get("data", {})
    ]
    assert len(pictures) >= 3
