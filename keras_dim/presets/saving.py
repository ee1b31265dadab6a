"""Writes a pretrained encoder with its metadata and card."""

import contextlib
import importlib.metadata
import os
import pathlib
import platform
from collections.abc import Mapping
from typing import Any

import keras

from keras_dim import files
from keras_dim.encoders import features as features_lib
from keras_dim.presets import cards
from keras_dim.presets import registry
from keras_dim.version import __version__

_REQUIRED = ("description", "trained_on", "licence", "scores")
_SCORE = ("feature", "probe", "accuracy", "protocol")
_LIBRARIES = ("keras", "tensorflow", "jax", "torch", "numpy", "scikit-learn")


def save_preset(
    encoder: keras.Model,
    name: str,
    directory: str | os.PathLike,
    *,
    config: Mapping[str, Any],
    metadata: Mapping[str, Any],
) -> pathlib.Path:
    """Writes a preset's five files, all of them or none.

    `config.json` (how to make the encoder, its image shape and features),
    `encoder.keras`, `metadata.json`, `README.md`, the card, and `SHA256SUMS`
    of the first three.

    Args:
        encoder: `keras.Model`. Functional, with one input and a dict of named
            outputs.
        name: str. Letters a-z, digits and underscores.
        directory: str or path. The folder of presets; the preset becomes a
            folder in it.
        config: mapping. How the encoder was made, as JSON. `"name"`,
            `"image_shape"` and `"features"` (name to shape) are filled in, in
            place of any that are given.
        metadata: mapping, as JSON. It must have `"description"`,
            `"trained_on"`, `"licence"` and `"scores"`: a list of dicts with
            `"feature"`, `"probe"`, `"accuracy"` in `[0, 1]`, `"protocol"`
            and, for comparison, `"raw_pixels"` and `"untrained"`. It may have
            `"recipe"`, `"command"`, `"seed"`, `"curve"` (a list of dicts, a
            row for each epoch), `"cost"`, `"hardware"`, `"limits"`,
            `"reference"`. What can be measured is filled in.

    Returns:
        The path of the preset's folder.

    Raises:
        ValueError: for an invalid name, an encoder without named outputs or
            fixed sizes, metadata that lack an entry or state a measured one,
            and when the preset exists.

    Example:
    ```python
    metadata = {"description": "An encoder of digits.", "scores": []}
    metadata |= {"trained_on": "1,797 digits", "licence": "MIT"}
    config = {"encoder": "dim_convnet", "image_size": 28, "channels": 1}
    save_preset(encoder, "digits", "presets", config=config, metadata=metadata)
    ```
    """
    if not registry.is_name(name):
        raise ValueError(
            "A preset's name is made of the letters a-z, digits and "
            f"underscores. Received: {name!r}"
        )
    _require("`metadata`", metadata, _REQUIRED)
    for score in metadata["scores"]:
        _require("Each score", score, _SCORE)
    # Raises for an encoder of several inputs.
    found = features_lib.features_of(encoder)
    if list(found) == [features_lib.SINGLE_OUTPUT]:
        raise ValueError(
            "The encoder must return a dict of named features: `keras.Model("
            'mine.input, {"global": mine.output})`. Received: one output'
        )
    described = {
        "name": name,
        "image_shape": list(encoder.inputs[0].shape[1:]),
        "features": registry.named_outputs(encoder),
    }
    measured = {*described, "parameters", "sha256", "bytes", "versions"}
    if stated := sorted(measured.intersection(metadata)):
        raise ValueError(
            f"`metadata` must not state measured entries. Received: {stated}"
        )
    shapes = {"image_shape": described["image_shape"], **described["features"]}
    if unknown := [key for key, shape in shapes.items() if None in shape]:
        raise ValueError(
            "A preset's encoder must have fixed sizes. Received sizes that "
            f"are not known for {unknown}."
        )
    versions = {
        "python": platform.python_version(),
        "keras_dim": __version__,
        "backend": keras.backend.backend(),
    }
    for library in _LIBRARIES:
        # From the package's records: nothing is imported.
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[library] = importlib.metadata.version(library)
    folder = pathlib.Path(directory) / name
    with files.atomic_folder(folder) as temporary:
        path = temporary / registry.ENCODER
        encoder.save(path)
        filled = {
            **described,
            **metadata,
            "parameters": encoder.count_params(),
            "sha256": files.sha256(path),
            "bytes": path.stat().st_size,
            "versions": versions,
        }
        files.write_json(temporary / registry.CONFIG, {**config, **described})
        files.write_json(temporary / registry.METADATA, filled)
        files.write_text(temporary / registry.CARD, cards.card(filled))
        files.write_text(temporary / registry.SUMS, registry.sums(temporary))
    return folder


def _require(owner, values, required):
    if missing := [key for key in required if key not in values]:
        raise ValueError(
            f"{owner} must have the entries {list(required)}. Missing: "
            f"{missing}"
        )
