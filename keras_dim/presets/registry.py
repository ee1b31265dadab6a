"""Finds, checks and loads pretrained encoders."""

import json
import math
import os
import pathlib
import re
import warnings
from typing import Any

import keras

from keras_dim import checks
from keras_dim import encoders
from keras_dim import files
from keras_dim import model_files
from keras_dim.encoders import features

CONFIG = "config.json"
ENCODER = "encoder.keras"
METADATA = "metadata.json"
CARD = "README.md"
SUMS = "SHA256SUMS"
# Written as `sha256sum` writes it, and checked by `sha256sum -c`, too.
SUMMED = (CONFIG, ENCODER, METADATA)
# Presets that have not been trained, as their data could not be downloaded:
# the preset that is loaded instead, and the warning.
STAND_INS = {
    "amdim_stl10": (
        "amdim_tiny_imagenet",
        "'amdim_stl10' has not been trained: this is 'amdim_tiny_imagenet', of "
        "other images of ImageNet. To train on STL-10 itself: keras-dim "
        "pretrain --recipe amdim_stl10 --directory RUN",
    )
}
_Path = str | os.PathLike
_PACKAGE = pathlib.Path(__file__).resolve().parent.parent
_NAME = re.compile(r"[a-z0-9_]+")


def pretrained(
    name_or_path: _Path, directory: _Path | None = None
) -> keras.Model:
    """Returns a pretrained encoder.

    Its files are compared with their checksums before it is loaded, and
    loading runs no code from them. Instead of `"amdim_stl10"`, which has not
    been trained, another preset is loaded, with a warning.

    Args:
        name_or_path: str or path. One of the names of `list_pretrained()`, or
            the folder of a preset, as `presets.save_preset` writes it. A str
            of letters a-z, digits and underscores is always a name: write
            `"./my_encoder"` for a folder called so.
        directory: str or path. The folder of presets in which the name is
            looked for. Defaults to those that come with keras_dim.

    Returns:
        `keras.Model`, not compiled. Raw pixels in, a dict of named features
        out.

    Raises:
        ValueError: for an unknown name, and for a preset that is incomplete
            or was changed.
        FileNotFoundError: when the path or `directory` does not exist.
    """
    folder, message = folder_of(name_or_path, directory)
    if message:
        warnings.warn(message, stacklevel=2)
    return _load_preset(folder)


def list_pretrained(directory: _Path | None = None) -> list[dict[str, Any]]:
    """Describes the pretrained encoders.

    Args:
        directory: see `pretrained`.

    Returns:
        list of dicts, ordered by name: the metadata of `save_preset`, with
        `"image_shape"` as a tuple and `"features"` as a dict from name to
        width, maps flattened.

    Raises:
        ValueError: for a preset whose metadata cannot be read.
        FileNotFoundError: when `directory` does not exist.
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
                f"and 'features', of a list each: {error!r}"
            ) from error
        table.append(row)
    return table


def folder_of(
    name: _Path, directory: _Path | None = None
) -> tuple[pathlib.Path, str]:
    """Returns the folder of the preset to load, and a warning or `""`."""
    if directory is None and not is_name(name):
        return _existing(name), ""
    message = ""
    root = presets_folder(directory)
    names = preset_names(root)
    if name in STAND_INS and name not in names and STAND_INS[name][0] in names:
        name, message = STAND_INS[name]
    if name not in names:
        raise ValueError(
            f"Unknown preset {name!r}.{checks.did_you_mean(name, names)} "
            f"Expected one of {names}, or a folder, such as './my_encoder'."
        )
    return root / name, message


def is_name(name: Any) -> bool:
    """Returns whether `name` has the form of a preset's name."""
    return isinstance(name, str) and bool(_NAME.fullmatch(name))


def presets_folder(directory: _Path | None = None) -> pathlib.Path | None:
    """Returns `directory` or else the package's own presets, None without."""
    if directory is not None:
        return _existing(directory)
    folders = [_PACKAGE / "saved_models"]
    # A folder beside an installed package belongs to somebody else.
    if (_PACKAGE.parent / "setup.py").is_file():
        folders.append(_PACKAGE.parent / "saved_models")
    return next(filter(pathlib.Path.is_dir, folders), None)


def preset_names(root: pathlib.Path | None) -> list[str]:
    """Returns the names of the presets in a folder, in order."""
    if root is None:
        return []
    return sorted(
        folder.name
        for folder in root.iterdir()
        if is_name(folder.name) and (folder / METADATA).is_file()
    )


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


def named_outputs(encoder: keras.Model) -> dict[str, list[int | None]]:
    """Returns the features' names and shapes, without the batch."""
    shapes = features.feature_shapes(encoder)
    return {name: list(shape[1:]) for name, shape in shapes.items()}


def sums(folder: pathlib.Path) -> str:
    """Returns the content of a preset's `SHA256SUMS`."""
    lines = [f"{files.sha256(folder / name)}  {name}\n" for name in SUMMED]
    return "".join(lines)


def _existing(path):
    path = pathlib.Path(path)
    if not path.is_dir():
        raise FileNotFoundError(f"There is no folder {str(path)!r}.")
    return path


def _load_preset(folder):
    for name in (*SUMMED, SUMS):
        if not (folder / name).is_file():
            raise ValueError(
                f"The preset in {str(folder)!r} is incomplete: there is no "
                f"{name}."
            )
    stated = (folder / SUMS).read_bytes().splitlines()
    for line, name in zip(sums(folder).splitlines(), SUMMED, strict=True):
        if line.encode() not in stated:
            raise ValueError(
                f"{str(folder / name)!r} or {SUMS} beside it is damaged or was "
                "changed, and is not loaded. If you did it: sha256sum "
                f"{' '.join(SUMMED)} > {SUMS}"
            )
    metadata = read_json(folder / METADATA)
    config = read_json(folder / CONFIG)
    path = folder / ENCODER
    try:
        encoder = model_files.load_model(path)
    except ValueError:
        written_by = metadata.get("versions", {}).get("keras", "0")
        build = encoders.ENCODERS.get(str(config.get("encoder")))
        if build is None or _numbers(written_by) <= _numbers(keras.__version__):
            raise
        # An older Keras refuses some settings of layers that a newer one has
        # saved: build the encoder from `config`, and load only its weights.
        known = checks.keywords_of(build)
        encoder = build(**{k: v for k, v in config.items() if k in known})
        encoder.load_weights(path)
    expected, received = config.get("features"), named_outputs(encoder)
    if received != expected:
        raise ValueError(
            f"{str(path)!r} does not give the features of its {CONFIG}. "
            f"Expected {expected}. Received: {received}"
        )
    return encoder


def _numbers(version):
    return [int(part) for part in re.findall(r"\d+", version)[:3]]
