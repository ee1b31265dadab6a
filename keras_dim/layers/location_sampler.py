"""Random locations of each map."""

import math

import keras
from keras import layers
from keras import ops
from keras import random

from keras_dim import checks
from keras_dim import configurable
from keras_dim import distribution


@keras.saving.register_keras_serializable(package="keras_dim")
class LocationSampler(configurable.Configurable, layers.Layer):
    """Draws different locations of each map in training.

    Args:
        num_samples: int, number of locations, or None for all.
        in_inference: str. The locations in inference: `"all"`, or the
            `"middle"` one. Defaults to `"all"`.
        seed: int or None for a random one.

    Input shape: `(batch, height, width, channels)`. Output shape: that of the
    input if all locations stay, else `(batch, samples, 1, channels)`.
    """

    def __init__(self, num_samples, in_inference="all", seed=None, **kwargs):
        super().__init__(**kwargs)
        checks.integers(1, **checks.given(num_samples=num_samples))
        checks.one_of(("all", "middle"), in_inference=in_inference)
        self.num_samples = num_samples
        self.in_inference = in_inference
        self.seed = seed
        self.seed_generator = random.SeedGenerator(seed)

    def build(self, maps_shape):
        num_locations = math.prod(maps_shape[1:3])
        samples = checks.given(num_samples=self.num_samples)
        checks.integers(1, num_locations, **samples)

    def num_outputs(self, maps_shape):
        """Returns the number of locations of each map in training."""
        return self.num_samples or math.prod(maps_shape[1:3])

    def call(self, maps, training=False):
        _, height, width, channels = maps.shape
        flat = ops.reshape(maps, (-1, height * width, 1, channels))
        if not training and self.in_inference == "middle":
            middle = height * width // 2
            return flat[:, middle : middle + 1]
        if not training or self.num_samples is None:
            return maps
        num_images, shape = ops.shape(maps)[0], (height * width,)
        lots = distribution.random_rows(
            random.uniform, num_images, shape, self.seed_generator
        )
        chosen = ops.top_k(lots, self.num_samples, sorted=False)[1]
        # A product, as the gradient of a look-up would be sparse.
        chosen = ops.one_hot(chosen, height * width, dtype=maps.dtype)
        return ops.matmul(chosen, flat[:, :, 0])[:, :, None]
