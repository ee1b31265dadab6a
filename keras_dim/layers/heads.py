"""Heads: small networks between an encoder's feature and the loss."""

import keras
from keras import layers

from keras_dim import checks
from keras_dim.layers import initializers
from keras_dim.layers import norm


def mlp(
    num_inputs,
    hidden_units,
    units,
    batch_norm=False,
    output_bias=True,
    output_norm=False,
    name="head",
):
    """Returns a built `Sequential` of rectified hidden layers and a linear one.

    Args:
        num_inputs: int. Width of the feature.
        hidden_units: int; tuple of int, for several hidden layers; or None for
            a single linear layer.
        units: int. Width of the output.
        batch_norm: bool. Whether hidden layers are batch-normalised. Defaults
            to `False`.
        output_bias: bool. Whether the output has a bias. Defaults to `True`.
        output_norm: bool. Whether the output is batch-normalised, without an
            offset. Defaults to `False`.
    """
    widths = hidden_units or ()
    widths = (widths,) if isinstance(widths, int) else tuple(widths)
    for width in widths:
        checks.integers(1, hidden_units=width)
    checks.integers(1, units=units)
    stack = [keras.Input((num_inputs,))]
    for width in widths:
        # Batch norm would take a bias away again.
        stack.append(
            initializers.dense(width, num_inputs, use_bias=not batch_norm)
        )
        if batch_norm:
            stack.append(norm.batch_normalization())
        stack.append(layers.ReLU())
        num_inputs = width
    stack.append(initializers.dense(units, num_inputs, use_bias=output_bias))
    if output_norm:
        stack.append(norm.batch_normalization(center=False))
    return keras.Sequential(stack, name=name)


def normalized(vectors):
    """Returns vectors of length one, in float32 whatever their precision."""
    vectors = keras.ops.cast(vectors, "float32")
    squares = keras.ops.sum(keras.ops.square(vectors), axis=-1, keepdims=True)
    return vectors * keras.ops.rsqrt(keras.ops.maximum(squares, 1e-12))
