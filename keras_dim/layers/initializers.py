"""Initial weights as in PyTorch and the authors' code."""

import keras
from keras import layers
from keras import ops


def torch_default():
    """Returns an initializer `U(-1/sqrt(fan_in), 1/sqrt(fan_in))` of kernels.

    Each layer needs a new one, as an initializer repeats its own draw.
    """
    return keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform")


def he_fan_out():
    """Returns the normal initializer of ResNets in torchvision."""
    kind = "fan_out", "untruncated_normal"
    return keras.initializers.VarianceScaling(2.0, *kind)


def torch_default_bias(fan_in):
    """Returns an initializer `U(-1/sqrt(fan_in), 1/sqrt(fan_in))` of biases."""
    return keras.initializers.RandomUniform(-(fan_in**-0.5), fan_in**-0.5)


def dense(units, num_inputs=None, kernel_initializer=None, **kwargs):
    """Returns a `Dense` layer as PyTorch's; without `num_inputs`, no bias."""
    kernel_initializer = kernel_initializer or torch_default()
    bias = {"use_bias": False}
    if num_inputs is not None:
        bias = {"bias_initializer": torch_default_bias(num_inputs)}
    return layers.Dense(
        units, kernel_initializer=kernel_initializer, **bias | kwargs
    )


def noisy_identity():
    """Returns an initializer: 1 on the diagonal, else U(-0.01, 0.01)."""
    uniform = keras.initializers.RandomUniform(-0.01, 0.01)

    def initializer(shape, dtype=None):
        drawn = uniform(shape, dtype=dtype)
        diagonal = ops.eye(shape[-2], shape[-1], dtype=drawn.dtype)
        return drawn * (1 - diagonal) + diagonal

    return initializer


def unit_vectors(seed=None):
    """Returns an initializer of rows of length 1 in random directions."""
    normal = keras.initializers.RandomNormal(stddev=1.0, seed=seed)

    def initializer(shape, dtype=None):
        return ops.normalize(normal(shape, dtype=dtype), axis=-1)

    return initializer
