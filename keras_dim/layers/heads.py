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
    name="head",
):
    """Returns a built `Sequential` with one hidden layer of rectified units.

    Args:
        num_inputs: int. Width of the feature.
        hidden_units: int, or None for a single linear layer.
        units: int. Width of the output.
        batch_norm: bool. Whether the hidden layer is batch-normalised.
            Defaults to `False`.
        output_bias: bool. Whether the output has a bias. Defaults to `True`.
    """
    checks.integers(1, units=units, **checks.given(hidden_units=hidden_units))
    stack = [keras.Input((num_inputs,))]
    dense = initializers.dense
    if hidden_units is not None:
        # Batch norm would take a bias away again.
        stack.append(dense(hidden_units, num_inputs, use_bias=not batch_norm))
        if batch_norm:
            stack.append(norm.batch_normalization())
        stack.append(layers.ReLU())
        num_inputs = hidden_units
    stack.append(dense(units, num_inputs, use_bias=output_bias))
    return keras.Sequential(stack, name=name)


def normalized(vectors):
    """Returns vectors of length one, in float32 whatever their precision."""
    vectors = keras.ops.cast(vectors, "float32")
    squares = keras.ops.sum(keras.ops.square(vectors), axis=-1, keepdims=True)
    return vectors * keras.ops.rsqrt(keras.ops.maximum(squares, 1e-12))
