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
        is_mirrored = (draws[:, 0] < self.probability)[:, None, None, None]
        return ops.where(is_mirrored, ops.flip(images, axis=2), images)
