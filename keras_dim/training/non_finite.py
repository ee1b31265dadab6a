"""Searches a model for the layer in which NaN or infinity first appeared."""

import contextlib
import math
from collections.abc import Iterator
from typing import Any

import keras
from keras import ops

from keras_dim.methods import base


def is_finite(value: Any) -> bool:
    """Returns whether a number or tensor has neither NaN nor infinity.

    Whatever is neither a float nor a tensor of floats is finite.
    """
    if isinstance(value, float):
        return math.isfinite(value)
    if not hasattr(value, "dtype"):
        return True
    dtype = keras.backend.standardize_dtype(value.dtype)
    if not keras.backend.is_float_dtype(dtype):
        return True
    return bool(ops.convert_to_numpy(ops.all(ops.isfinite(value))))


def non_finite_layers(model: keras.Model) -> list[str]:
    """Returns the layers with weights that are NaN or infinite, in order.

    Args:
        model: `keras.Model`. Its optimizer counts as the last layer.

    Returns:
        list of str. The paths of the layers.
    """
    variables = list(model.variables)
    optimizer = getattr(model, "optimizer", None)
    if optimizer is not None:
        variables += optimizer.variables
    return layers_of(
        variable for variable in variables if not is_finite(variable.value)
    )


def layers_of(variables) -> list[str]:
    """Returns the paths of the layers of variables, without duplicates."""
    return list(
        dict.fromkeys(
            variable.path.rpartition("/")[0] or variable.path
            for variable in variables
        )
    )


def first_non_finite_output(model: keras.Model, batch: Any) -> str | None:
    """Returns the first layer whose output for a batch is not finite.

    An inner layer comes before the layer that contains it.

    Args:
        model: `keras.Model`. Of a method, the loss terms are computed, too.
        batch: the input of the model, as in training.

    Returns:
        str or None. The path of the layer.
    """
    found: list[str] = []
    with _recording(model, found):
        outputs = model(batch, training=True)
        if isinstance(model, base.SelfSupervisedModel):
            model.loss_terms(outputs)
    return found[0] if found else None


@contextlib.contextmanager
def _recording(model: keras.Model, found: list[str]) -> Iterator[None]:
    """Makes each layer append its path if its output is not finite."""
    layers = list(model._flatten_layers(include_self=False))

    def record(layer):
        call = layer.call

        def recorded(*args, **kwargs):
            outputs = call(*args, **kwargs)
            if not all(map(is_finite, keras.tree.flatten(outputs))):
                found.append(layer.path or layer.name)
            return outputs

        layer.call = recorded

    for layer in layers:
        record(layer)
    try:
        yield
    finally:
        for layer in layers:
            # The method of the class is no longer hidden by the attribute.
            del layer.call
