"""The named features of an encoder, and the one that is taken by default."""

from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any

import keras

# The name of what a model with a single, unnamed output gives.
SINGLE_OUTPUT = "output"
GLOBAL = "global"


def named(outputs: Any) -> dict[str, Any]:
    """Returns the outputs of an encoder by name.

    Args:
        outputs: dict of tensors; or one tensor, alone or in a list, whose
            name is `"output"`.

    Raises:
        ValueError: for several tensors without names.
    """
    if isinstance(outputs, Mapping):
        return dict(outputs)
    if isinstance(outputs, list | tuple):
        if len(outputs) != 1:
            raise ValueError(
                "An encoder's output must be one tensor or a dict of named "
                f"tensors. Received a list of {len(outputs)}."
            )
        outputs = outputs[0]
    return {SINGLE_OUTPUT: outputs}


def outputs_of(encoder: keras.Model, *names: str) -> dict[str, Any]:
    """Returns the symbolic outputs of a functional encoder by name.

    Args:
        encoder: functional `keras.Model` with one input, the images.
        *names: str. Outputs that it must have.

    Raises:
        ValueError: for a model that is not functional, for several inputs,
            and for an encoder without one of the outputs.
    """
    if not is_functional(encoder):
        raise ValueError(
            "An encoder must be a functional model, keras.Model(images, "
            "{'local': ..., 'global': ...}), whose outputs are known before it "
            f"is called. Received: {type(encoder).__name__}. Call its layers "
            "on images = keras.Input((height, width, channels)), and make a "
            "model of the input and the results"
        )
    found = named(_symbolic(encoder))
    if len(encoder.inputs) != 1:
        raise ValueError(
            "An encoder must have one input, the images. Received a model "
            f"with {len(encoder.inputs)} inputs."
        )
    check_names(names, found)
    return found


def check_names(names: Iterable[str], found: Mapping[str, Any]) -> None:
    """Raises a `ValueError` for a name that the outputs do not have."""
    names = list(names)
    unknown = [name for name in names if name not in found]
    if unknown:
        raise ValueError(
            f"The encoder has no feature {', '.join(map(repr, unknown))}. "
            f"Expected some of {sorted(found)}. Received: {names}"
        )


def default_feature(encoder: keras.Model | Iterable[str]) -> str:
    """Returns the feature that is taken where none is named.

    It is `"global"`, or the only output of an encoder that has a single one.
    `predict`, `embed`, every probe and the command line ask here.

    Args:
        encoder: `keras.Model`; or the names of an encoder's outputs. A model
            that is not functional does not know them before it is called, and
            is taken to have `"global"`.

    Raises:
        ValueError: for an encoder of several outputs without `"global"`.
    """
    if isinstance(encoder, keras.Model):
        if not is_functional(encoder):
            return GLOBAL
        names = list(named(_symbolic(encoder)))
    else:
        names = list(encoder)
    if GLOBAL in names:
        return GLOBAL
    if len(names) != 1:
        raise ValueError(
            f"The encoder has no feature {GLOBAL!r}, which is the default: "
            f"name one of {sorted(names)}"
        )
    return names[0]


def is_functional(encoder: keras.Model) -> bool:
    """Returns whether a model's outputs are known before it is called."""
    return _symbolic(encoder) is not None


def _symbolic(encoder):
    """Returns symbolic outputs, or `None` where there are none yet."""
    # A Sequential that was never called has `outputs` alone.
    for name in ("output", "outputs"):
        try:
            return getattr(encoder, name)
        except (AttributeError, ValueError):
            continue
    return None
