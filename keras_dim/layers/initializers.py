"""Initial weights as the authors' framework drew them."""

import keras
from keras import ops

from keras_dim import configurable


def torch_default():
    """Returns a new `U(-1/sqrt(fan_in), 1/sqrt(fan_in))` for kernels.

    New at each call, as an initializer object repeats its own draw.
    """
    return keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform")


def torch_default_bias(fan_in):
    """Returns a new `U(-1/sqrt(fan_in), 1/sqrt(fan_in))` for biases."""
    return keras.initializers.RandomUniform(-(fan_in**-0.5), fan_in**-0.5)


@keras.saving.register_keras_serializable(package="keras_dim")
class NoisyIdentity(configurable.Configurable, keras.initializers.Initializer):
    """Ones on the diagonal, `U(-noise, noise)` elsewhere.

    Args:
        noise: float. Defaults to 0.01.
        seed: int or None for a random one.
    """

    def __init__(self, noise=0.01, seed=None):
        self.noise = noise
        self.seed = seed
        self._uniform = keras.initializers.RandomUniform(
            -noise, noise, seed=seed
        )

    def __call__(self, shape, dtype=None):
        noise = self._uniform(shape, dtype=dtype)
        diagonal = ops.eye(shape[-2], shape[-1], dtype=noise.dtype)
        return noise * (1 - diagonal) + diagonal


@keras.saving.register_keras_serializable(package="keras_dim")
class UnitVectors(configurable.Configurable, keras.initializers.Initializer):
    """Rows of length 1 that point in random directions.

    Args:
        seed: int or None for a random one.
    """

    def __init__(self, seed=None):
        self.seed = seed
        self._normal = keras.initializers.RandomNormal(stddev=1.0, seed=seed)

    def __call__(self, shape, dtype=None):
        return ops.normalize(self._normal(shape, dtype=dtype), axis=-1)
