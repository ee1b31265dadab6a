"""The card of a pretrained encoder: data, scores, costs and limits."""

import math
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

_NOT_STATED = "Not stated."


def card(metadata: Mapping[str, Any]) -> str:
    """Returns a preset's card, in Markdown.

    Everything is taken from the metadata. A missing entry is given as "Not
    stated.".

    Args:
        metadata: mapping. A preset's metadata as `save_preset` fills it in.

    Returns:
        str. Markdown.

    Raises:
        ValueError: when the metadata has no `"name"`.

    Example:
    ```python
    text = card(json.loads(path.read_text()))
    ```
    """
    if "name" not in metadata:
        raise ValueError(
            "A card needs the preset's 'name'. Received the entries "
            f"{sorted(metadata)}."
        )
    sections = (
        ("What it is", _what(metadata)),
        ("How to use it", _usage(metadata)),
        ("Data", _text(metadata.get("trained_on"))),
        ("Recipe and command", _recipe(metadata)),
        ("Scores", _scores(metadata.get("scores"))),
        ("Curve over epochs", _curve(metadata.get("curve"))),
        ("Cost and hardware", _cost(metadata)),
        ("Licence and limits", _licence(metadata)),
    )
    parts = [f"# {metadata['name']}"]
    parts += [f"## {title}\n\n{body}" for title, body in sections]
    return "\n\n".join(parts) + "\n"


def _what(metadata: Mapping[str, Any]) -> str:
    lines = [_text(metadata.get("description"))]
    shape = metadata.get("image_shape")
    if shape:
        lines.append(
            "It takes raw pixels, `uint8` or float in [0, 255], of shape "
            f"(batch, {', '.join(map(str, shape))})"
            " and gives these features:"
        )
    features = metadata.get("features")
    if features:
        rows = [
            {
                "feature": f"`{name}`",
                "shape": " x ".join(map(str, sizes)),
                "width": math.prod(sizes),
            }
            for name, sizes in features.items()
        ]
        lines.append(_table(rows))
    if "parameters" in metadata:
        lines.append(
            f"{metadata['parameters']:,} parameters, "
            f"{metadata.get('bytes', 0):,} bytes, sha256 "
            f"`{metadata.get('sha256', '')}`."
        )
    if "reference" in metadata:
        lines.append(_text(metadata["reference"]))
    return "\n\n".join(lines)


def _usage(metadata: Mapping[str, Any]) -> str:
    features = list(metadata.get("features", ["global"]))
    feature = "global" if "global" in features else features[-1]
    return (
        "```python\n"
        "import keras_dim\n"
        f'encoder = keras_dim.pretrained("{metadata["name"]}")\n'
        f'features = encoder.predict(images)["{feature}"]\n'
        "```"
    )


def _recipe(metadata: Mapping[str, Any]) -> str:
    lines = [_text(metadata.get("recipe"))]
    if "seed" in metadata:
        lines.append(f"Seed {metadata['seed']}.")
    if "command" in metadata:
        lines.append(f"```\n{metadata['command']}\n```")
    if "versions" in metadata:
        versions = ", ".join(
            f"{name} {version}"
            for name, version in metadata["versions"].items()
        )
        lines.append(f"Made with {versions}.")
    return "\n\n".join(lines)


def _scores(scores: Sequence[Mapping[str, Any]] | None) -> str:
    if not scores:
        return _NOT_STATED
    rows = [
        {
            "feature": f"`{score['feature']}`",
            "probe": probe_of(score),
            "this encoder": _percent(score["accuracy"]),
            "untrained encoder": _percent(score.get("untrained")),
            "raw pixels": _percent(score.get("raw_pixels")),
        }
        for score in scores
    ]
    protocols = [
        f"- `{score['feature']}`, {probe_of(score)}: {score['protocol']}"
        f"{_images_of(score)}."
        for score in scores
    ]
    return (
        "Accuracy on test images, in percent, the encoder being frozen.\n\n"
        + _table(rows)
        + "\n\nProtocols:\n\n"
        + "\n".join(protocols)
    )


def _images_of(score: Mapping[str, Any]) -> str:
    """What is said of a score that was not measured on the card's images."""
    if "data" not in score:
        return ""
    data = score["data"]
    return (
        f"; images of {data['source']}, {data['split']} and "
        f"{data['test_split']}"
    )


def _curve(curve: Sequence[Mapping[str, Any]] | None) -> str:
    return _table(curve) if curve else _NOT_STATED


def _cost(metadata: Mapping[str, Any]) -> str:
    found = [metadata[key] for key in ("cost", "hardware") if key in metadata]
    return "\n\n".join(map(_text, found)) or _NOT_STATED


def _licence(metadata: Mapping[str, Any]) -> str:
    return (
        f"Licence: {_text(metadata.get('licence'))}\n\n"
        f"Limits: {_text(metadata.get('limits'))}"
    )


def _text(value: Any) -> str:
    """A string as it is, a mapping as a list of its entries."""
    if value is None:
        return _NOT_STATED
    if isinstance(value, Mapping):
        return "\n".join(f"- {key}: {entry}" for key, entry in value.items())
    if isinstance(value, list | tuple):
        return "\n".join(f"- {entry}" for entry in value)
    return str(value)


def _percent(accuracy: float | None) -> str:
    return "-" if accuracy is None else f"{100 * accuracy:.2f}"


def probe_of(score: Mapping[str, Any]) -> str:
    """Returns a score's probe with its arguments, which tell scores apart.

    Args:
        score: mapping with `"probe"` and, maybe, `"arguments"`.
    """
    arguments = ", ".join(
        f"{name}={value}"
        for name, value in (score.get("arguments") or {}).items()
    )
    return f"{score['probe']}({arguments})" if arguments else score["probe"]


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    lines = [columns, ["---"] * len(columns)]
    lines += [[_cell(row.get(name)) for name in columns] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return text.replace("|", "\\|").replace("\n", " ")
