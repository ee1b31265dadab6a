"""Flags that several commands share, such as `--set name=value`."""

import json
from collections.abc import Sequence
from typing import Any

from absl import flags


def define_set(values: flags.FlagValues, what: str) -> None:
    """Defines `--set`."""
    flags.DEFINE_multi_string(
        "set",
        [],
        f"{what}, as name=value; may be given several times.",
        flag_values=values,
    )


def define_encoder(values: flags.FlagValues, instead: str = "") -> None:
    """Defines `--encoder`, with a sentence on what may replace it."""
    flags.DEFINE_string(
        "encoder",
        None,
        f"The folder of a run, a .keras file, or a preset's name.{instead}",
        flag_values=values,
    )


def define_source(values: flags.FlagValues) -> None:
    """Defines `--source`."""
    flags.DEFINE_string(
        "source",
        None,
        "A folder of images, TFRecord files, an .npy or .npz file, the name "
        "of a tensorflow-datasets data set, or digits.",
        flag_values=values,
    )


def pairs(texts: Sequence[str]) -> dict[str, str]:
    """Returns the names and values of `--set`, as text.

    Raises:
        ValueError: for a text without name and `=`, and for a name that is
            given twice.
    """
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name and equals):
            raise ValueError(
                f"--set takes name=value, e.g. --set seed=1. Received: {text!r}"
            )
        if name in found:
            raise ValueError(f"--set {name}=... is given twice.")
        found[name] = value
    return found


def parsed_pairs(texts: Sequence[str]) -> dict[str, Any]:
    """Returns the names and values of `--set`, values read as JSON."""
    return {name: _parsed(value) for name, value in pairs(texts).items()}


def _parsed(text):
    if text in ("None", "True", "False"):
        return {"None": None, "True": True, "False": False}[text]
    try:
        return json.loads(text)
    except ValueError:
        return text
