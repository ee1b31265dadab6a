"""Images whose bright pixels are inverted."""

import keras
from keras import ops

from keras_dim.views import augmentation
from keras_dim.views import color


@keras.saving.register_keras_serializable(package="keras_dim")
class RandomSolarize(augmentation.Augmentation):
    """Inverts the pixels from a threshold on; never in inference.

    Args:
        threshold: float. Grey level, of 0 to 255. Defaults to 128.
        probability: float. Share of images that are changed. Defaults to 1.
        seed: int or None for a random one.
    """

    def __init__(self, threshold=128.0, probability=1.0, seed=None, **kwargs):
        super().__init__(seed, **kwargs)
        augmentation.check_probability(probability)
        self.threshold = threshold
        self.probability = probability

    def augment(self, images, draws):
        thresholds = ops.where(
            draws[:, 0] < self.probability, self.threshold, float("inf")
        )
        return color.solarize(images, thresholds)
