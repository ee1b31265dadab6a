"""The card of a pretrained encoder: data, scores, costs and limits."""

import math
from collections.abc import Mapping
from typing import Any

_NOT_STATED = "Not stated."


def card(metadata: Mapping[str, Any]) -> str:
    """Returns a preset's card, in Markdown.

    Args:
        metadata: mapping. A preset's metadata as `save_preset` fills them in.
            Missing entries that it does not require are "Not stated."
    """
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
        "Curve over epochs": _table(metadata.get("curve")),
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
    rows = [
        {
            "feature": f"`{name}`",
            "shape": " x ".join(map(str, sizes)),
            "width": math.prod(sizes),
        }
        for name, sizes in metadata["features"].items()
    ]
    text = (
        f"{_text(metadata['description'])}\n\n"
        "It takes raw pixels, `uint8` or float in [0, 255], of shape (batch, "
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
    rows = []
    protocols = []
    for score in scores:
        feature, probe = f"`{score['feature']}`", probe_of(score)
        rows.append(
            {
                "feature": feature,
                "probe": probe,
                "this encoder": _percent(score["accuracy"]),
                "untrained encoder": _percent(score.get("untrained")),
                "raw pixels": _percent(score.get("raw_pixels")),
            }
        )
        images = ""
        # Other scores were measured on the card's images.
        if data := score.get("data"):
            images = (
                f"; images of {data['source']}, {data['split']} and "
                f"{data['test_split']}"
            )
        protocols.append(f"- {feature}, {probe}: {score['protocol']}{images}.")
    return (
        "Accuracy on test images, in percent, the encoder being frozen.\n\n"
        f"{_table(rows)}\n\nProtocols:\n\n" + "\n".join(protocols)
    )


def _text(value):
    """A string as it is, a mapping as a list of its entries."""
    if value is None:
        return _NOT_STATED
    if isinstance(value, Mapping):
        value = [f"{key}: {entry}" for key, entry in value.items()]
    if isinstance(value, list | tuple):
        return "\n".join(f"- {entry}" for entry in value)
    return str(value)


def _percent(accuracy):
    return "-" if accuracy is None else f"{100 * accuracy:.2f}"


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
