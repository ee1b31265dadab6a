"""Initial weights as PyTorch and the authors' code draw them."""

import keras
from keras import layers
from keras import ops


def torch_default():
    """Returns a new `U(-1/sqrt(fan_in), 1/sqrt(fan_in))` for kernels.

    New at each call, as an initializer object repeats its own draw.
    """
    return keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform")


def he_fan_out():
    """Returns a new normal initializer, as of ResNets in torchvision."""
    kind = "fan_out", "untruncated_normal"
    return keras.initializers.VarianceScaling(2.0, *kind)


def torch_default_bias(fan_in):
    """Returns a new `U(-1/sqrt(fan_in), 1/sqrt(fan_in))` for biases."""
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
    """Returns an initializer of ones on the diagonal amid noise of 0.01."""
    uniform = keras.initializers.RandomUniform(-0.01, 0.01)

    def initializer(shape, dtype=None):
        drawn = uniform(shape, dtype=dtype)
        diagonal = ops.eye(shape[-2], shape[-1], dtype=drawn.dtype)
        return drawn * (1 - diagonal) + diagonal

    return initializer


def unit_vectors(seed=None):
    """Returns an initializer: rows of length 1 in random directions."""
    normal = keras.initializers.RandomNormal(stddev=1.0, seed=seed)

    def initializer(shape, dtype=None):
        return ops.normalize(normal(shape, dtype=dtype), axis=-1)

    return initializer
