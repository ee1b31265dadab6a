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
    """Returns a network with one hidden layer of rectified units, or a layer.

    Args:
        num_inputs: int. Width of the feature.
        hidden_units: int, or None for a single linear layer.
        units: int. Width of the output.
        batch_norm: bool. Whether the hidden layer is batch-normalised.
            Defaults to `False`.
        output_bias: bool. Whether the output has a bias. Defaults to `True`.
        name: str. Defaults to `"head"`.

    Returns:
        Built `keras.Sequential`.
    """
    checks.integers(1, units=units, **checks.given(hidden_units=hidden_units))
    stack = [keras.Input((num_inputs,))]
    if hidden_units is not None:
        # Batch norm would take a bias away again.
        stack.append(_dense(num_inputs, hidden_units, not batch_norm))
        if batch_norm:
            stack.append(norm.batch_normalization())
        stack.append(layers.ReLU())
    stack.append(_dense(hidden_units or num_inputs, units, output_bias))
    return keras.Sequential(stack, name=name)


def _dense(num_inputs, units, use_bias=True):
    return layers.Dense(
        units,
        use_bias=use_bias,
        kernel_initializer=initializers.torch_default(),
        bias_initializer=initializers.torch_default_bias(num_inputs),
    )


def normalized(vectors):
    """Returns vectors of length one, in float32 whatever their precision.

    Args:
        vectors: tensor `(batch, units)`.
    """
    vectors = keras.ops.cast(vectors, "float32")
    squares = keras.ops.sum(keras.ops.square(vectors), axis=-1, keepdims=True)
    return vectors * keras.ops.rsqrt(keras.ops.maximum(squares, 1e-12))
