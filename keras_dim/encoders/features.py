"""The named features of an encoder, and the one that is taken by default."""

from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any

import keras

# The name of the feature of a model with a single output without a name.
SINGLE_OUTPUT = "output"
GLOBAL = "global"


def feature_shapes(encoder, *required):
    """Returns the shape of each named feature of an encoder.

    Args:
        encoder: functional `keras.Model` from images to a dict of features.
        *required: str. Names of features that it must have.

    Returns:
        dict from name to shape, None where a size is not known.

    Raises:
        ValueError: if the model is not functional, does not return a dict, or
            lacks a required feature.
    """
    _refuse_unknown_outputs(encoder)
    outputs = _symbolic(encoder)
    if not isinstance(outputs, dict):
        raise ValueError(
            "The encoder must return a dict of named features. Received: "
            f"{type(encoder).__name__} with outputs that have no names. Name "
            "them: "
            '`keras.Model(mine.input, {"global": mine.output})`, a map of '
            'locations as "local"'
        )
    missing = sorted(set(required) - set(outputs))
    if missing:
        hint = ""
        if "global_log_variance" in missing:
            hint = ". The encoders of keras_dim add it with variational=True"
        raise ValueError(
            f"The encoder must return a dict with {sorted(required)}. "
            f"Received an encoder with {sorted(outputs)}{hint}"
        )
    return {name: tuple(output.shape) for name, output in outputs.items()}


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


def features_of(encoder: keras.Model, *names: str) -> dict[str, Any]:
    """Returns the symbolic outputs of a functional encoder by name.

    Args:
        encoder: functional `keras.Model` with one input, the images.
        *names: str. Outputs that it must have.

    Raises:
        ValueError: for a model that is not functional, for several inputs,
            and for an encoder without one of the outputs.
    """
    _refuse_unknown_outputs(encoder)
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


def _refuse_unknown_outputs(encoder):
    if not is_functional(encoder):
        raise ValueError(
            "The encoder must be a functional keras.Model. Received: "
            f"{type(encoder).__name__}, whose outputs are not known before it "
            "is called. Wrap it: `image = keras.Input((height, width, "
            "channels)); encoder = keras.Model(image, mine(image))`"
        )


def _symbolic(encoder):
    """Returns symbolic outputs, or `None` where there are none yet."""
    # A Sequential that was never called has `outputs` alone.
    for name in ("output", "outputs"):
        try:
            return getattr(encoder, name)
        except (AttributeError, ValueError):
            continue
    return None
