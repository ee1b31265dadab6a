"""Images mirrored left to right."""

import keras

from keras_dim.views import augmentation
from keras_dim.views import geometry


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
        augmentation.check_probability(probability)
        self.probability = probability

    def augment(self, images, draws):
        return geometry.flip(images, self.is_mirrored(draws))

    def is_mirrored(self, draws):
        """Returns which images `draws` say are mirrored, bools `(batch,)`."""
        return draws[:, 0] < self.probability
