"""Loads models from files without running code in the file."""

import json
import os
import pathlib
import zipfile
from typing import Any

import keras

from keras_dim import checks

# The members that Keras writes into a `.keras` file.
_CONFIG = "config.json"
_WEIGHTS = "model.weights.h5"
_MEMBERS = ("metadata.json", _CONFIG, _WEIGHTS)
# Layers that bring code in the file.
_CODE = ("Lambda", "__lambda__", "TFSMLayer")


def load_model(path: str | os.PathLike, compile: bool = False) -> keras.Model:
    """Loads a `.keras` file that is complete and contains no code.

    The file is checked first: it is an archive of the members that Keras
    writes, without other paths and uncompressed, so that it cannot unpack to
    more than its size; every member matches its checksum; and no layer brings
    code (`Lambda`, `TFSMLayer`). Then Keras loads it in safe mode, with its own
    classes and those that the program has registered. The memory of the layers
    is not limited.

    Args:
        path: str or path.
        compile: bool. See `keras.saving.load_model`. Defaults to `False`.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: for a file that is damaged or fails a check.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {str(path)!r}.")
    _check_archive(path)
    try:
        # Keras recognises formats by their suffix.
        return keras.saving.load_model(path, compile=compile, safe_mode=True)
    except Exception as error:
        # A hostile file may make Keras and h5py raise any error.
        raise ValueError(
            f"{path} is not loaded: {checks.in_one_line(error)} Expected a "
            "model of Keras's own layers and of those that this program has "
            "registered."
        ) from error


def _check_archive(path):
    if path.suffix != ".keras" or not zipfile.is_zipfile(path):
        raise ValueError(f"{path} is not a whole .keras file")
    try:
        with zipfile.ZipFile(path) as file:
            _check_members(file)
            # Keras does not verify the checksum of the weights.
            damaged = file.testzip()
            if damaged is not None:
                raise ValueError(f"its {damaged} does not match its checksum")
            code = _code_in(json.loads(file.read(_CONFIG)))
    except Exception as error:
        raise ValueError(
            f"{path} is damaged, or not a .keras file: "
            f"{checks.in_one_line(error)}"
        ) from error
    if code:
        raise ValueError(
            f"{path} is not loaded: it contains a layer {code!r}, which can "
            "run code from the file. Save a model without it."
        )


def _check_members(file):
    # Raises a KeyError if there are none. The config is read later.
    file.getinfo(_WEIGHTS)
    if len(set(file.namelist())) < len(file.namelist()):
        raise ValueError("it has two members of the same name")
    for member in file.infolist():
        name = member.filename
        is_asset = name.startswith("assets/") and ".." not in name.split("/")
        if name not in _MEMBERS and not is_asset:
            raise ValueError(
                f"it has a member {name!r} that Keras never writes"
            )
        if member.compress_type != zipfile.ZIP_STORED:
            raise ValueError(f"{name!r} is compressed, which Keras does not do")


def _code_in(config: Any) -> str | None:
    """Returns the first class with code in a configuration, or None."""
    if isinstance(config, dict):
        if config.get("class_name") in _CODE:
            return config["class_name"]
        config = list(config.values())
    if isinstance(config, list):
        return next(filter(None, map(_code_in, config)), None)
    return None
