"""Floors of the package: a module imports only from floors below its own."""

import ast
import graphlib
import pathlib

import pytest

PACKAGE = pathlib.Path(__file__).parents[1] / "keras_dim"
FLOORS = [
    {"catalog", "checks", "configurable", "files", "version"},
    {"distribution", "model_files", "neighbors", "optimizers", "parts"},
    {"batches"},
    {"mutual_information"},
    {"layers"},
    {"encoders", "views"},
    {"data", "methods"},
    {
        "beam",
        "curation",
        "evaluation",
        "exporting",
        "plots",
        "presets",
        "serving",
    },
    {"report", "training"},
    {"recipes"},
    {"advice"},
    {"cli"},
]
FLOOR = {part: floor for floor, parts in enumerate(FLOORS) for part in parts}
# All other parts use keras and keras.ops, for any backend and for XLA.
MAY_IMPORT_TENSORFLOW = {"beam", "data", "distribution", "exporting"}
# Modules that the methods share.
SHARED = {"base", "replicated"}
# The command of Beam, which also runs on other machines.
BEAM_COMMAND = "beam/__main__.py"
# Modules of `data` that need TensorFlow; arrays and folders do not.
READS_WITH_TENSORFLOW = {
    "tensorflow_datasets",
    "tensorflow_images",
    "tfrecord",
}
# Without the package's `__init__`, which lists public names of all floors.
MODULES = {
    str(path.relative_to(PACKAGE)): path.read_text(encoding="utf-8")
    for path in sorted(PACKAGE.rglob("*.py"))
    if path != PACKAGE / "__init__.py"
}


def part_of(module):
    return pathlib.Path(module).with_suffix("").parts[0]


def imported_names(source):
    """Yields the dotted names of all imports, also within functions.

    `from a import b` gives `a.b`, whether `b` is a module or not: the tests
    only use the beginning of such a name.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = "." * node.level + (node.module or "")
            yield from (f"{package}.{alias.name}" for alias in node.names)


def libraries(source):
    return {name.split(".")[0] for name in imported_names(source)}


def imported_parts(source):
    return {
        name.split(".")[1]
        for name in imported_names(source)
        if name.startswith("keras_dim.")
    }


def uses_of(source, *dotted_names):
    """Returns those of `dotted_names` that occur in the code."""
    used = {
        ast.unparse(node)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Name | ast.Attribute)
    }
    return used & set(dotted_names)


def is_above(module, other_part):
    """Whether `module` may not import from `other_part`."""
    own = part_of(module)
    # Every floor may import `__version__`, the only public name of the root
    # that is not a part.
    if other_part in (own, "__version__"):
        return False
    return other_part not in FLOOR or FLOOR[other_part] >= FLOOR[own]


def test_every_part_on_disk_has_a_floor():
    parts = {part_of(module) for module in MODULES}

    assert parts - set(FLOOR) == set()


def test_every_folder_has_an_init_file():
    # Without it a folder can be imported, but is missing in the wheel.
    folders = {(PACKAGE / module).parent for module in MODULES}

    assert [str(f) for f in folders if not (f / "__init__.py").exists()] == []


@pytest.mark.parametrize("module", MODULES)
def test_imports_only_from_floors_below(module):
    parts = imported_parts(MODULES[module])

    assert {other for other in parts if is_above(module, other)} == set()


def test_there_are_no_circular_imports():
    # Not even within functions. `__init__.py` imports all modules of its folder
    # and is left out.
    sources = {
        f"keras_dim.{module[:-3].replace('/', '.')}": source
        for module, source in MODULES.items()
        if not module.endswith("__init__.py")
    }
    imported = {
        module: {
            found
            for name in imported_names(source)
            for found in (name, name.rpartition(".")[0])
            if found in sources
        }
        for module, source in sources.items()
    }

    # A `CycleError` names the modules.
    graphlib.TopologicalSorter(imported).prepare()


@pytest.mark.parametrize("module", MODULES)
def test_imports_are_absolute(module):
    # The tests here need names that begin with the root.
    names = imported_names(MODULES[module])

    assert [name for name in names if name.startswith(".")] == []


@pytest.mark.parametrize("module", MODULES)
def test_only_some_parts_import_tensorflow(module):
    if part_of(module) in MAY_IMPORT_TENSORFLOW:
        return

    assert (
        libraries(MODULES[module])
        & {
            "tensorflow",
            "tensorflow_datasets",
        }
        == set()
    )


@pytest.mark.parametrize(
    "module",
    [
        m
        for m in MODULES
        if part_of(m) == "data"
        and pathlib.Path(m).stem not in READS_WITH_TENSORFLOW
    ],
)
def test_arrays_and_folders_need_no_tensorflow(module):
    # Functions and type checkers may import it.
    at_the_top = [
        node
        for node in ast.parse(MODULES[module]).body
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    source = ast.unparse(ast.Module(at_the_top, []))
    of_data = {
        name.split(".")[2]
        for name in imported_names(source)
        if name.startswith("keras_dim.data.")
    }

    assert "tensorflow" not in libraries(source)
    assert of_data & READS_WITH_TENSORFLOW == set()


@pytest.mark.parametrize(
    "module", [m for m in MODULES if part_of(m) == "methods"]
)
def test_no_method_imports_another(module):
    # Code that two methods share moves down a floor. The base is no method, and
    # `__init__.py` imports them all.
    if pathlib.Path(module).name == "__init__.py":
        return
    methods = {pathlib.Path(m).stem for m in MODULES if part_of(m) == "methods"}
    others = methods - {"__init__", *SHARED, pathlib.Path(module).stem}
    imported = {
        name.split(".")[2]
        for name in imported_names(MODULES[module])
        if name.startswith("keras_dim.methods.")
    }

    assert imported & others == set()


@pytest.mark.parametrize(
    "module", [m for m in MODULES if part_of(m) == "evaluation"]
)
def test_evaluation_imports_no_method(module):
    # It scores arrays, or any keras.Model.
    assert "methods" not in imported_parts(MODULES[module])


@pytest.mark.parametrize(
    "module",
    [m for m in MODULES if part_of(m) != "cli" and m != BEAM_COMMAND],
)
def test_only_the_command_line_prints_and_reads_flags(module):
    source = MODULES[module]
    flags = {
        name
        for name in imported_names(source)
        if name.startswith(("absl.flags", "absl.app", "argparse"))
    }

    assert flags == set()
    assert uses_of(source, "print", "sys.exit", "sys.argv", "exit") == set()


@pytest.mark.parametrize(
    ("source", "parts"),
    [
        ("from keras_dim import encoders", {"encoders"}),
        ("from keras_dim.layers import critics", {"layers"}),
        ("from keras_dim.layers.critics import Critic", {"layers"}),
        ("import keras_dim.data.digits as d", {"data"}),
        ("def f():\n    import keras_dim.cli", {"cli"}),
        ("import keras\nimport keras_dimension.x", set()),
    ],
)
def test_imported_parts_finds_every_form_of_import(source, parts):
    assert imported_parts(source) == parts


def test_is_above_and_uses_of():
    assert is_above("layers/critics.py", "encoders")
    assert is_above("methods/base.py", "data")
    assert is_above("layers/critics.py", "attic")
    assert not is_above("layers/critics.py", "mutual_information")
    assert not is_above("layers/critics.py", "layers")
    assert uses_of("import sys\nsys.exit(print(1))", "print", "sys.exit") == {
        "print",
        "sys.exit",
    }
