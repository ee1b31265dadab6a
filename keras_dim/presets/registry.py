"""Finds, checks and loads pretrained encoders."""

import inspect
import json
import math
import os
import pathlib
import re
import warnings
from collections.abc import Mapping
from typing import Any

import keras

from keras_dim import checks
from keras_dim import encoders
from keras_dim import files
from keras_dim import model_files

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
        "'amdim_stl10' has not been trained: this is 'amdim_tiny_imagenet', "
        "AMDIM's network for 64 pixels trained on Tiny ImageNet, which like "
        "the unlabelled part of STL-10 is drawn from ImageNet. To train on "
        "STL-10 itself: keras-dim pretrain --recipe amdim_stl10 --directory "
        "RUN",
    ),
}

_PACKAGE = pathlib.Path(__file__).resolve().parent.parent
_NAME = re.compile(r"[a-z0-9_]+")


def pretrained(
    name_or_path: str | os.PathLike,
    directory: str | os.PathLike | None = None,
) -> keras.Model:
    """Returns a pretrained encoder.

    Before the encoder is opened, the checksums of all files are compared with
    those in `SHA256SUMS`, if the preset has that file, and the size and
    checksum of the encoder with those in its metadata. It is loaded in Keras's
    safe mode, in which loading runs no code from the file. Instead of
    `"amdim_stl10"`, which has not been trained, another preset is loaded, with
    a warning.

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
        ValueError: for an unknown name, for a preset that is not whole, for a
            file that is not the one its metadata describes, and for a path
            together with `directory`.
        FileNotFoundError: when the path or `directory` does not exist.

    Example:
    ```python
    encoder = keras_dim.pretrained("deep_infomax_cifar10")
    features = encoder.predict(images)["global"]
    ```
    """
    if directory is None and not _is_name(name_or_path):
        return _load_preset(_folder_at(name_or_path))
    check_name(name_or_path)
    root = presets_folder(directory)
    name, message = resolve(name_or_path, root)
    if message:
        warnings.warn(message, stacklevel=2)
    folder = root / name if root else None
    if folder is None or not (folder / METADATA).is_file():
        raise ValueError(_unknown(name, preset_names(root), root))
    return _load_preset(folder)


def _load_preset(folder: pathlib.Path) -> keras.Model:
    _check_sums(folder)
    metadata = read_json(folder / METADATA)
    config = read_json(folder / CONFIG)
    path = folder / ENCODER
    _check_file(path, metadata)
    encoder = _load_encoder(path, config, metadata)
    _check_encoder(encoder, config, path)
    return encoder


def list_pretrained(
    directory: str | os.PathLike | None = None,
) -> list[dict[str, Any]]:
    """Returns what pretrained encoders there are.

    Args:
        directory: str or path. The folder of presets. Defaults to those that
            come with keras_dim.

    Returns:
        list of dicts, ordered by name: `"name"`, `"description"`,
        `"image_shape"` (height, width, channels), `"features"` (name to
        width, maps flattened), `"parameters"`, `"trained_on"`, `"scores"`
        (list of dicts, as in `save_preset`), `"bytes"` and `"licence"`.

    Raises:
        ValueError: for a preset whose metadata cannot be read.
        FileNotFoundError: when `directory` is given and does not exist.

    Example:
    ```python
    for preset in keras_dim.list_pretrained():
        print(preset["name"], preset["features"])
    ```
    """
    root = presets_folder(directory)
    table = []
    for name in preset_names(root):
        metadata = read_json(root / name / METADATA)
        row = {"name": name}
        for key in (
            "description",
            "image_shape",
            "features",
            "parameters",
            "trained_on",
            "scores",
            "bytes",
            "licence",
        ):
            row[key] = _entry(metadata, key, root / name / METADATA)
        try:
            row["image_shape"] = tuple(row["image_shape"])
            row["features"] = {
                feature: math.prod(shape)
                for feature, shape in row["features"].items()
            }
        except (AttributeError, TypeError, OverflowError) as error:
            raise ValueError(
                f"{str(root / name / METADATA)!r} must have the entries "
                "'image_shape', a list, and 'features', of a list each. "
                f"Received: {row['image_shape']!r} and {row['features']!r}"
            ) from error
        table.append(row)
    return table


def resolve(name: str, root: pathlib.Path | None) -> tuple[str, str | None]:
    """Returns the name of the preset to load, and a warning or None."""
    names = preset_names(root)
    if name in STAND_INS and name not in names and STAND_INS[name][0] in names:
        return STAND_INS[name]
    return name, None


def check_name(name: str) -> None:
    """Raises a `ValueError` unless `name` has the form of a preset's name."""
    if not _is_name(name):
        raise ValueError(
            "A preset's name is made of the letters a-z, digits and "
            f"underscores. Received: {name!r}"
        )


def _is_name(name: Any) -> bool:
    return isinstance(name, str) and bool(_NAME.fullmatch(name))


def _folder_at(path: Any) -> pathlib.Path:
    """Returns the folder of a preset; refuses what is none."""
    if not isinstance(path, str | os.PathLike):
        raise ValueError(
            "Expected the name of a preset or the path of its folder. "
            f"Received: {path!r}"
        )
    folder = pathlib.Path(path)
    if not folder.is_dir():
        raise FileNotFoundError(
            f"There is no folder of a preset at {str(folder)!r}. A name is "
            "made of the letters a-z, digits and underscores."
        )
    if not (folder / METADATA).is_file():
        raise ValueError(
            f"{str(folder)!r} is not the folder of a preset: there is no "
            f"{METADATA}."
        )
    return folder


def presets_folder(
    directory: str | os.PathLike | None = None,
) -> pathlib.Path | None:
    """Returns the folder of presets, or `None` where there is none.

    That is `directory` if it is given, else `saved_models` inside the
    installed package, else `saved_models` beside it in a checkout.
    """
    if directory is not None:
        folder = pathlib.Path(directory)
        if not folder.is_dir():
            raise FileNotFoundError(
                f"There is no folder of presets at {str(folder)!r}."
            )
        return folder
    if (_PACKAGE / "saved_models").is_dir():
        return _PACKAGE / "saved_models"
    checkout = _PACKAGE.parent
    # Beside an installed package lie other people's folders.
    if (checkout / "setup.py").is_file():
        folder = checkout / "saved_models"
        return folder if folder.is_dir() else None
    return None


def preset_names(root: pathlib.Path | None) -> list[str]:
    """Returns the names of the presets in a folder, in order."""
    if root is None:
        return []
    return sorted(
        folder.name
        for folder in root.iterdir()
        if _NAME.fullmatch(folder.name) and (folder / METADATA).is_file()
    )


def read_json(path: pathlib.Path) -> dict[str, Any]:
    """Reads a preset's JSON file, which must hold an object."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ValueError(
            f"The preset in {str(path.parent)!r} is not whole: there is no "
            f"{path.name}."
        ) from error
    except (RecursionError, ValueError) as error:
        raise ValueError(
            f"{str(path)!r} is not readable as JSON: {error}"
        ) from error
    if not isinstance(value, dict):
        raise ValueError(
            f"{str(path)!r} must hold an object. Received: "
            f"{type(value).__name__}"
        )
    return value


def named_outputs(encoder: keras.Model) -> dict[str, list[int]]:
    """Returns the features' names and shapes, without the batch."""
    output = getattr(encoder, "output", None)
    if not isinstance(output, dict):
        raise ValueError(
            "A preset's encoder must be a functional keras.Model with a dict "
            f"of named outputs. Received: {type(encoder).__name__} with "
            f"output of type {type(output).__name__}."
        )
    return {name: list(value.shape[1:]) for name, value in output.items()}


def sums(folder: pathlib.Path) -> str:
    """Returns what a preset's `SHA256SUMS` must hold."""
    return "".join(
        f"{files.sha256(folder / name)}  {name}\n" for name in SUMMED
    )


def _check_sums(folder: pathlib.Path) -> None:
    path = folder / SUMS
    if not path.is_file():
        # Presets of older versions have no checksums.
        return
    lines = path.read_bytes().decode("ascii", "replace").splitlines()
    for name in SUMMED:
        # The checksum of the encoder is compared with that in the metadata.
        if name == ENCODER or not (folder / name).is_file():
            continue
        if f"{files.sha256(folder / name)}  {name}" not in lines:
            raise ValueError(
                f"{str(folder / name)!r} or {SUMS} beside it has changed "
                "since the preset was saved, and the preset is not loaded. "
                "Take it anew; or, if you changed it yourself, write the "
                f"checksums anew: sha256sum {' '.join(SUMMED)} > {SUMS}"
            )


def _check_file(path: pathlib.Path, metadata: Mapping[str, Any]) -> None:
    if not path.is_file():
        raise ValueError(
            f"The preset in {str(path.parent)!r} is not whole: there is no "
            f"{path.name}."
        )
    expected = _entry(metadata, "bytes", path.parent / METADATA)
    received = path.stat().st_size
    if received != expected:
        raise ValueError(
            f"{str(path)!r} is not the file that its metadata describes, and "
            f"is not loaded. Expected {expected} bytes. Received: {received}"
        )
    expected = _entry(metadata, "sha256", path.parent / METADATA)
    received = files.sha256(path)
    if received != expected:
        raise ValueError(
            f"{str(path)!r} is not the file that its metadata describes, and "
            f"is not loaded. Expected sha256 {expected}. Received: {received}"
        )


def _load_encoder(
    path: pathlib.Path, config: Mapping[str, Any], metadata: Mapping[str, Any]
) -> keras.Model:
    try:
        return model_files.load_model(path)
    except ValueError:
        written_by = metadata.get("versions", {}).get("keras", "0")
        build = getattr(encoders, str(config.get("encoder")), None)
        if build is None or _parts(written_by) <= _parts(keras.__version__):
            raise
    # An older Keras refuses some settings of layers that a newer one has
    # saved: build the encoder from `config`, and load only its weights.
    arguments = inspect.signature(build).parameters
    encoder = build(
        **{key: value for key, value in config.items() if key in arguments}
    )
    encoder.load_weights(path)
    return encoder


def _parts(version: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", version)[:3]]


def _check_encoder(
    encoder: Any, config: Mapping[str, Any], path: pathlib.Path
) -> None:
    if not isinstance(encoder, keras.Model):
        raise ValueError(
            f"{str(path)!r} must hold a keras.Model. Received: "
            f"{type(encoder).__name__}"
        )
    expected = _entry(config, "features", path.parent / CONFIG)
    received = named_outputs(encoder)
    if received != expected:
        raise ValueError(
            f"{str(path)!r} does not give the features of its {CONFIG}. "
            f"Expected {expected}. Received: {received}"
        )


def _entry(values: Mapping[str, Any], key: str, path: pathlib.Path) -> Any:
    if key not in values:
        raise ValueError(
            f"{str(path)!r} must have the entry {key!r}. Received the "
            f"entries {sorted(values)}."
        )
    return values[key]


def _unknown(name: str, names: list[str], root: pathlib.Path | None) -> str:
    if pathlib.Path(name, METADATA).is_file():
        return f"Unknown preset {name!r}. For the folder write './{name}'."
    if not names:
        where = f"in {str(root)!r}" if root else "with this installation"
        return f"Unknown preset {name!r}: there are no presets {where}."
    return (
        f"Unknown preset {name!r}.{checks.did_you_mean(name, names)} "
        f"Expected one of {names}."
    )
