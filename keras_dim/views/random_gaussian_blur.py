"""Images blurred at random."""

import math

import keras
from keras import ops

from keras_dim.views import augmentation
from keras_dim.views import blurring
from keras_dim.views import resampling


@keras.saving.register_keras_serializable(package="keras_dim")
class RandomGaussianBlur(augmentation.Augmentation):
    """Blurs images with a Gaussian kernel; never in inference.

    Args:
        sigma: tuple of two floats. The kernel's standard deviation is uniform
            between them, in pixels. Defaults to `(0.1, 2.0)`.
        kernel_size: int, or None for the first odd number that reaches three
            of the largest standard deviations to each side.
        probability: float. Share of images that are blurred. Defaults to 1.
        seed: int or None for a random one.
    """

    num_draws = 2

    def __init__(
        self,
        sigma=(0.1, 2.0),
        kernel_size=None,
        probability=1.0,
        seed=None,
        **kwargs,
    ):
        super().__init__(seed, **kwargs)
        augmentation.check_probability(probability)
        low, high = sigma
        if not 0.0 < low <= high:
            raise ValueError(
                "`sigma` must be two positive numbers, the smaller one first. "
                f"Received: {(low, high)}"
            )
        if kernel_size is not None and (kernel_size < 1 or not kernel_size % 2):
            raise ValueError(
                f"`kernel_size` must be odd. Received: {kernel_size}"
            )
        self.sigma = (low, high)
        self.kernel_size = kernel_size
        self.probability = probability

    def augment(self, images, draws):
        sigmas = self.amounts(draws)
        row_weights, column_weights = (
            blurring.weights(sigmas, size, self._kernel_size())
            for size in images.shape[1:3]
        )
        return resampling.resample(images, row_weights, column_weights)

    def amounts(self, draws):
        """Returns the standard deviations that `draws` stand for, or 0."""
        sigmas = augmentation.uniform(draws[:, 1], *self.sigma)
        return ops.where(draws[:, 0] < self.probability, sigmas, 0.0)

    def check(self, images_shape):
        if self._kernel_size() // 2 >= min(images_shape[1:3]):
            raise ValueError(
                "The kernel reaches beyond the reflection of the image: set a "
                f"smaller `kernel_size`. Received: {self._kernel_size()} for "
                f"images of shape {tuple(images_shape)}"
            )

    def _kernel_size(self):
        return self.kernel_size or 2 * math.ceil(3.0 * self.sigma[1]) + 1
