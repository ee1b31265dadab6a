"""Finds, checks and loads pretrained encoders."""

import os
import pathlib
import re
import warnings

import keras

from keras_dim import catalog
from keras_dim import checks
from keras_dim import encoders
from keras_dim import files
from keras_dim import model_files
from keras_dim.encoders import features

CONFIG = "config.json"
ENCODER = "encoder.keras"
CARD = "README.md"
SUMS = "SHA256SUMS"
# The files in `SHA256SUMS`, whose format is that of the command `sha256sum`.
SUMMED = (CONFIG, ENCODER, catalog.METADATA)
_Path = str | os.PathLike


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
            looked up. Defaults to the presets that come with keras_dim.

    Returns:
        `keras.Model`, not compiled, from raw pixels `(batch, height, width,
        channels)` to a dict of named features.

    Raises:
        ValueError: for an unknown name, and for a preset that is incomplete
            or was changed.
        FileNotFoundError: when the path or `directory` does not exist.
    """
    folder, message = folder_of(name_or_path, directory)
    if message:
        warnings.warn(message, stacklevel=2)
    return _load_preset(folder)


def folder_of(
    name: _Path, directory: _Path | None = None
) -> tuple[pathlib.Path, str]:
    """Returns the folder of the preset to load, and a warning or `""`."""
    if directory is None and not catalog.is_name(name):
        return catalog.existing_folder(name), ""
    message = ""
    root = catalog.presets_folder(directory)
    names = catalog.preset_names(root)
    if (
        name in catalog.STAND_INS
        and name not in names
        and catalog.STAND_INS[name][0] in names
    ):
        name, message = catalog.STAND_INS[name]
    if name not in names:
        raise ValueError(
            f"Unknown preset {name!r}.{checks.did_you_mean(name, names)} "
            f"Expected one of {names}, or a folder, such as './my_encoder'."
        )
    return root / name, message


def named_outputs(encoder: keras.Model) -> dict[str, list[int | None]]:
    """Returns the features' names and shapes, without the batch."""
    shapes = features.feature_shapes(encoder)
    return {name: list(shape[1:]) for name, shape in shapes.items()}


def sums(folder: pathlib.Path) -> str:
    """Returns the content of a preset's `SHA256SUMS`."""
    lines = [f"{files.sha256(folder / name)}  {name}\n" for name in SUMMED]
    return "".join(lines)


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
    metadata = catalog.read_json(folder / catalog.METADATA)
    config = catalog.read_json(folder / CONFIG)
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
