"""Writes a pretrained encoder with its metadata and its card."""

import contextlib
import importlib.metadata
import math
import os
import pathlib
import platform
from collections.abc import Mapping
from typing import Any

import keras

from keras_dim import catalog
from keras_dim import checks
from keras_dim import files
from keras_dim.encoders import features as features_lib
from keras_dim.encoders import stored_values
from keras_dim.presets import registry
from keras_dim.version import __version__

_REQUIRED = ("description", "trained_on", "licence", "scores")
_ACCURACIES = ("accuracy", "untrained", "raw_pixels")
_SCORE = ("feature", "probe", "accuracy", "protocol")
_NOT_STATED = "Not stated."
_PIXELS = "raw pixels, `uint8` or float in [0, 255]"
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

    `config.json`, `encoder.keras`, `metadata.json`, the card `README.md`, and
    `SHA256SUMS` of the first three.

    Args:
        encoder: `keras.Model`. Functional, with one input and a dict of named
            outputs.
        name: str. Letters a-z, digits and underscores.
        directory: str or path. The folder of presets.
        config: mapping. How the encoder was made, as JSON. `"name"`,
            `"image_shape"` and `"features"` (name to shape) are filled in.
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
            accuracies outside [0, 1], and when the preset exists.

    Example:
    ```python
    metadata = {"description": "An encoder of digits.", "scores": []}
    metadata |= {"trained_on": "1,797 digits", "licence": "MIT"}
    config = {"encoder": "dim_convnet", "image_size": 28, "channels": 1}
    save_preset(encoder, "digits", "presets", config=config, metadata=metadata)
    ```
    """
    if not catalog.is_name(name):
        raise ValueError(
            "A preset's name is made of the letters a-z, digits and "
            f"underscores. Received: {name!r}"
        )
    _require("`metadata`", metadata, _REQUIRED)
    for score in metadata["scores"]:
        _require("Each score", score, _SCORE)
        accuracies = {name: score.get(name) for name in _ACCURACIES}
        checks.between(0, 1, **checks.given(**accuracies))
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
    if (values := stored_values.value_range(encoder)) is not None:
        described["values"] = (
            f"stored values, `{values.dtype}` from about {min(values.low):g} "
            f"to {max(values.high):g}"
        )
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
        files.write_json(temporary / catalog.METADATA, filled)
        files.write_text(temporary / registry.CARD, card(filled))
        files.write_text(temporary / registry.SUMS, registry.sums(temporary))
    return folder


def _require(owner, values, required):
    if missing := [key for key in required if key not in values]:
        raise ValueError(
            f"{owner} must have the entries {list(required)}. Missing: "
            f"{missing}"
        )


def card(metadata: Mapping[str, Any]) -> str:
    """Returns the card of a preset's metadata, in Markdown."""
    cost = [_text(metadata[x]) for x in ("cost", "hardware") if x in metadata]
    names = list(metadata["features"])
    feature = "global" if "global" in names else names[-1]
    sections = {
        "What it is": _description(metadata),
        "How to use it": "```python\nimport keras_dim\n"
        f'encoder = keras_dim.pretrained("{metadata["name"]}")\n'
        f'features = encoder.predict(images)["{feature}"]\n```',
        "Data": _text(metadata["trained_on"]),
        "Recipe and command": _recipe(metadata),
        "Scores": _scores(metadata["scores"]),
        "Curve over epochs": _curve(metadata.get("curve")),
        "Cost and hardware": "\n\n".join(cost) or _NOT_STATED,
        "Licence and limits": f"Licence: {_text(metadata['licence'])}\n\n"
        f"Limits: {_text(metadata.get('limits'))}",
    }
    parts = [f"# {metadata['name']}"]
    parts += [f"## {title}\n\n{body}" for title, body in sections.items()]
    return "\n\n".join(parts) + "\n"


def probe_of(score: Mapping[str, Any]) -> str:
    """Returns a score's probe with its arguments, which tell scores apart."""
    arguments = (score.get("arguments") or {}).items()
    stated = ", ".join(f"{name}={value}" for name, value in arguments)
    return f"{score['probe']}({stated})" if stated else score["probe"]


def _description(metadata):
    rows = []
    for name, sizes in metadata["features"].items():
        shape, width = " x ".join(map(str, sizes)), math.prod(sizes)
        rows.append({"feature": f"`{name}`", "shape": shape, "width": width})
    text = (
        f"{_text(metadata['description'])}\n\n"
        f"It takes {metadata.get('values', _PIXELS)}, of shape (batch, "
        f"{', '.join(map(str, metadata['image_shape']))}) and gives these "
        f"features:\n\n{_table(rows)}\n\n"
        f"{metadata['parameters']:,} parameters, {metadata['bytes']:,} bytes, "
        f"sha256 `{metadata['sha256']}`."
    )
    if "reference" in metadata:
        text += f"\n\n{_text(metadata['reference'])}"
    return text


def _recipe(metadata):
    lines = [_text(metadata.get("recipe"))]
    if "seed" in metadata:
        lines.append(f"Seed {metadata['seed']}.")
    if "command" in metadata:
        lines.append(f"```\n{metadata['command']}\n```")
    versions = metadata["versions"].items()
    made_with = ", ".join(f"{name} {version}" for name, version in versions)
    return "\n\n".join([*lines, f"Made with {made_with}."])


def _scores(scores):
    if not scores:
        return _NOT_STATED
    titles = "this encoder", "untrained encoder", "raw pixels"
    columns = dict(zip(titles, _ACCURACIES, strict=True))
    rows, protocols = [], []
    for score in scores:
        feature, probe = f"`{score['feature']}`", probe_of(score)
        found = {name: score.get(entry) for name, entry in columns.items()}
        percents = {
            name: None if value is None else f"{100 * value:.2f}"
            for name, value in found.items()
        }
        rows.append({"feature": feature, "probe": probe, **percents})
        images = ""
        # Without `data`, a score was measured on the images of the card.
        if data := score.get("data"):
            splits = f"{data['split']} and {data['test_split']}"
            images = f"; images of {data['source']}, {splits}"
        protocols.append(f"- {feature}, {probe}: {score['protocol']}{images}.")
    return (
        "Accuracy on test images, in percent, the encoder being frozen.\n\n"
        f"{_table(rows)}\n\nProtocols:\n\n" + "\n".join(protocols)
    )


def _text(value):
    """Returns a string as it is, and a mapping or sequence as a list."""
    if value is None:
        return _NOT_STATED
    if isinstance(value, Mapping):
        value = [f"{key}: {entry}" for key, entry in value.items()]
    if isinstance(value, list | tuple):
        return "\n".join(f"- {entry}" for entry in value)
    return str(value)


def _curve(rows):
    text = _table(rows)
    if any(name.endswith("_nats") for row in rows or () for name in row):
        text += (
            "\n\nNats are those of the training score, which is no bound on "
            "mutual information."
        )
    return text


def _table(rows):
    if not rows:
        return _NOT_STATED
    columns = list(dict.fromkeys(name for row in rows for name in row))
    lines = [columns, ["---"] * len(columns)]
    lines += [[_cell(row.get(name)) for name in columns] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value):
    if value is None:
        return "-"
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return text.replace("|", "\\|").replace("\n", " ")
