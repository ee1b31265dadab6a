"""Images mirrored left to right."""

import keras
from keras import ops

from keras_dim import checks
from keras_dim.views import augmentation


@keras.saving.register_keras_serializable(package="keras_dim")
class RandomFlip(augmentation.Augmentation):
    """Mirrors images left to right; never in inference.

    Args:
        probability: float. Share of images that are mirrored. Defaults to
            0.5.
        seed: int or None for a random one.
    """

    moves_pixels = True

    def __init__(self, probability=0.5, seed=None, **kwargs):
        super().__init__(seed, **kwargs)
        checks.between(0, 1, probability=probability)
        self.probability = probability

    def augment(self, images, draws):
        num_images = ops.shape(images)[0]
        is_mirrored = ops.cast(draws[:, 0] < self.probability, "int32")
        # Whole images are copied, which is faster than a choice by pixels.
        both = ops.concatenate([images, ops.flip(images, axis=2)])
        rows = ops.arange(num_images) + num_images * is_mirrored
        return ops.take(both, rows, axis=0)
