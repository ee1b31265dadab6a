"""Images whose bright pixels are inverted."""

import keras
from keras import ops

from keras_dim import checks
from keras_dim.views import augmentation


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
        checks.between(0, 1, probability=probability)
        self.threshold = threshold
        self.probability = probability

    def augment(self, images, draws):
        is_changed = (draws[:, 0] < self.probability)[:, None, None, None]
        is_bright = ops.logical_and(is_changed, images >= self.threshold)
        return ops.where(is_bright, 255.0 - images, images)
