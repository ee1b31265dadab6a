"""Describes presets and recipes without Keras, which takes seconds to load."""

import ast
import json
import math
import os
import pathlib
import re
from typing import Any

METADATA = "metadata.json"
# For presets that have not been trained, because their data could not be
# downloaded: the preset that is loaded instead, and the warning.
STAND_INS = {
    "amdim_stl10": (
        "amdim_tiny_imagenet",
        "'amdim_stl10' has not been trained: this is 'amdim_tiny_imagenet', "
        "trained on other images of ImageNet. To train on STL-10 itself: "
        "keras-dim pretrain --recipe amdim_stl10 --directory RUN",
    )
}
_Path = str | os.PathLike
_PACKAGE = pathlib.Path(__file__).resolve().parent
_NAME = re.compile(r"[a-z0-9_]+")


def list_pretrained(directory: _Path | None = None) -> list[dict[str, Any]]:
    """Describes the pretrained encoders.

    Args:
        directory: see `presets.pretrained`.

    Returns:
        list of dicts, ordered by name: the metadata of `presets.save_preset`,
        with `"image_shape"` as a tuple and `"features"` as a dict from name to
        width, with maps flattened.

    Raises:
        ValueError: if the metadata of a preset cannot be read.
        FileNotFoundError: if `directory` does not exist.
    """
    root = presets_folder(directory)
    table = []
    for name in preset_names(root):
        path = root / name / METADATA
        row = read_json(path)
        try:
            shapes = row["features"].items()
            row["name"] = name
            row["image_shape"] = tuple(row["image_shape"])
            row["features"] = {key: math.prod(shape) for key, shape in shapes}
        except (AttributeError, KeyError, TypeError, OverflowError) as error:
            raise ValueError(
                f"{str(path)!r} must have the entries 'image_shape', a list, "
                f"and 'features', a dict of lists: {error!r}"
            ) from error
        table.append(row)
    return table


def list_recipes() -> list[dict[str, Any]]:
    """Returns the arguments of each recipe as written in its file, by name."""
    rows = []
    for path in sorted((_PACKAGE / "recipes").glob("[!_]*.py")):
        *_, made = ast.parse(path.read_text(encoding="utf-8")).body
        arguments = made.value.keywords
        rows.append({a.arg: ast.literal_eval(a.value) for a in arguments})
    return rows


def presets_folder(directory: _Path | None = None) -> pathlib.Path | None:
    """Returns `directory`, or the folder of the package's presets, or None."""
    if directory is not None:
        return existing_folder(directory)
    folders = [_PACKAGE / "saved_models"]
    # Beside an installed package, such a folder is not this package's.
    if (_PACKAGE.parent / "setup.py").is_file():
        folders.append(_PACKAGE.parent / "saved_models")
    return next(filter(pathlib.Path.is_dir, folders), None)


def preset_names(root: pathlib.Path | None) -> list[str]:
    """Returns the names of the presets in a folder, sorted."""
    if root is None:
        return []
    return sorted(
        folder.name
        for folder in root.iterdir()
        if is_name(folder.name) and (folder / METADATA).is_file()
    )


def is_name(name: Any) -> bool:
    """Returns whether `name` has the form of a preset's name."""
    return isinstance(name, str) and bool(_NAME.fullmatch(name))


def read_json(path: pathlib.Path) -> dict[str, Any]:
    """Reads a preset's JSON file, which must hold an object."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(value, dict):
            raise ValueError("Expected an object.")
    except (RecursionError, ValueError) as error:
        raise ValueError(
            f"{str(path)!r} is not readable as JSON: {error}"
        ) from error
    return value


def existing_folder(path: _Path) -> pathlib.Path:
    """Returns the path of a folder that must exist."""
    path = pathlib.Path(path)
    if not path.is_dir():
        raise FileNotFoundError(f"There is no folder {str(path)!r}.")
    return path
