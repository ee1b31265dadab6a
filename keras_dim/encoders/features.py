"""The named features of an encoder, and its default feature."""

from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any

import keras

from keras_dim import checks

# The name of a single output without a name.
SINGLE_OUTPUT = "output"
GLOBAL = "global"


def feature_shapes(encoder, *required):
    """Returns the shape of each named feature; see `features_of`."""
    found = features_of(encoder, *required)
    return {name: tuple(output.shape) for name, output in found.items()}


def vector_width(encoder: keras.Model, name: str) -> int:
    """Returns the width of a feature that is a vector, `(batch, units)`.

    Raises a `ValueError` where it is a map, or where there is none.
    """
    shape = feature_shapes(encoder, name)[name]
    if len(shape) != 2 or shape[-1] is None:
        raise ValueError(
            f"The encoder's feature {name!r} must be a vector of known width, "
            f"of shape (batch, units). Received: {shape}. Pool a map, as by "
            "keras.layers.GlobalAveragePooling2D"
        )
    return shape[-1]


def image_size(encoder: keras.Model) -> int:
    """Returns the height and width of an encoder's images, which are equal.

    Raises a `ValueError` where they are not, or are not known.
    """
    height, width = encoder.input.shape[1:3]
    if height is None or height != width:
        raise ValueError(
            "The default views are squares of the encoder's image size. "
            f"Received an encoder of images of {(height, width)}: pass `views`"
        )
    return height


def check_views(
    encoder: keras.Model, views: Mapping[str, Any], names: Iterable[str]
) -> None:
    """Raises a `ValueError` for views that are missing or do not fit."""
    expected = encoder.input_shape
    for name in names:
        if name not in views:
            raise ValueError(
                f"This method takes the views {list(names)}. Received a layer "
                f"`views` that makes {list(views)}"
            )
        found = tuple(views[name].shape)
        if len(found) != len(expected) or any(
            None not in sizes and sizes[0] != sizes[1]
            for sizes in zip(found, expected, strict=True)
        ):
            raise ValueError(
                f"The encoder takes views of the shape {expected}. Received "
                f"{found}: load images with other `image_size` or `channels`, "
                "or set those of the encoder"
            )


def named(outputs: Any) -> dict[str, Any]:
    """Returns an encoder's outputs by name; a single one is `"output"`."""
    if isinstance(outputs, Mapping):
        return dict(outputs)
    if not isinstance(outputs, list | tuple):
        outputs = [outputs]
    if len(outputs) != 1:
        raise ValueError(
            "An encoder's output must be one tensor or a dict of named "
            f"tensors. Received a list of {len(outputs)}."
        )
    return {SINGLE_OUTPUT: outputs[0]}


def features_of(encoder: keras.Model, *names: str) -> dict[str, Any]:
    """Returns the symbolic outputs of an encoder by name.

    Raises a `ValueError` unless it is a functional model with one input, the
    images, and has outputs of these names.
    """
    if not is_functional(encoder):
        raise ValueError(
            "The encoder must be a functional keras.Model. Received: "
            f"{type(encoder).__name__}. Wrap it: `image = keras.Input((height, "
            "width, channels)); encoder = keras.Model(image, mine(image))`"
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
    unknown = [name for name in dict.fromkeys(names) if name not in found]
    if not unknown:
        return
    near = checks.did_you_mean(unknown[0], found)
    hint = near and f".{near}"
    if "global_log_variance" in unknown:
        hint = ". The encoders of keras_dim add it with variational=True"
    elif list(found) == [SINGLE_OUTPUT]:
        hint = '. Name it: `keras.Model(mine.input, {"global": mine.output})`'
    raise ValueError(
        f"The encoder has no feature {', '.join(map(repr, unknown))}. "
        f"Its features are {sorted(found)}{hint}"
    )


def default_feature(encoder: keras.Model | Iterable[str]) -> str:
    """Returns `"global"`, or the name of an encoder's single output.

    Args:
        encoder: `keras.Model`; or the names of an encoder's outputs. A model
            that is not functional is taken to have `"global"`.
    """
    if isinstance(encoder, keras.Model):
        outputs = _symbolic(encoder)
        encoder = [GLOBAL] if outputs is None else named(outputs)
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
