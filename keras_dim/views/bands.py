"""Changes of values for any number of bands, without clipping."""

import math

import keras
from keras import ops

from keras_dim import checks
from keras_dim.views import augmentation


@keras.saving.register_keras_serializable(package="keras_dim")
class RandomBandJitter(augmentation.Augmentation):
    """Changes brightness and contrast without clipping; never in inference.

    All bands of an image are multiplied by one factor, which keeps their
    ratios; then the distance of each band to its own mean is multiplied by
    another factor. Both are drawn for each image, uniform in `[max(0, 1 -
    strength), 1 + strength]`. `ColorJitter` clips, and changes the contrast
    about the mean of all bands.

    Args:
        brightness, contrast: float. Strengths, not negative. Default to 0.4.
        probability: float. Share of images that are changed. Defaults to 1.
        seed: int or None for a random one.
    """

    num_draws = 3

    def __init__(
        self, brightness=0.4, contrast=0.4, probability=1.0, seed=None, **kwargs
    ):
        super().__init__(seed, probability, **kwargs)
        checks.at_least(0, brightness=brightness, contrast=contrast)
        self.brightness = brightness
        self.contrast = contrast

    def augment(self, images, draws):
        is_changed = draws[:, 0] < self.probability
        brightness, contrast = (
            ops.where(is_changed, drawn, 1.0)[:, None, None, None]
            for drawn in (
                augmentation.factors(draws[:, 1], self.brightness),
                augmentation.factors(draws[:, 2], self.contrast),
            )
        )
        images = images * brightness
        mean = ops.mean(images, axis=(1, 2), keepdims=True)
        return mean + (images - mean) * contrast


@keras.saving.register_keras_serializable(package="keras_dim")
class RandomNoise(augmentation.Augmentation):
    """Adds Gaussian noise to every value, without clipping; never in inference.

    Args:
        deviation: float. The noise's standard deviation is drawn for each
            image, uniform from 0 to this share of the range of 255.
        probability: float. Share of images that are changed. Defaults to 1.
        seed: int or None for a random one.
    """

    num_draws = 2

    def __init__(self, deviation=0.05, probability=1.0, seed=None, **kwargs):
        super().__init__(seed, probability, **kwargs)
        checks.at_least(0, deviation=deviation)
        self.deviation = deviation

    def check(self, images_shape):
        # `call` draws after this check: once for each value of an image.
        self.num_draws = 2 + math.prod(images_shape[1:])

    def augment(self, images, draws):
        strengths = 255.0 * self.deviation * draws[:, 1]
        strengths = ops.where(draws[:, 0] < self.probability, strengths, 0.0)
        # The inverse of the error function is infinite at -1 and 1.
        uniform = ops.clip(2.0 * draws[:, 2:] - 1.0, -0.999999, 0.999999)
        noise = math.sqrt(2.0) * ops.erfinv(uniform)
        noise = ops.reshape(noise, (-1, *images.shape[1:]))
        return images + strengths[:, None, None, None] * noise
