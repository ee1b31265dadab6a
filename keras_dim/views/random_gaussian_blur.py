"""Images blurred at random."""

import math

import keras
import numpy as np
from keras import ops

from keras_dim import checks
from keras_dim.views import augmentation
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
        checks.between(0, 1, probability=probability)
        augmentation.check_ranges(sigma=sigma)
        if kernel_size is None:
            kernel_size = 2 * math.ceil(3.0 * sigma[1]) + 1
        if kernel_size < 1 or not kernel_size % 2:
            raise ValueError(
                f"`kernel_size` must be odd. Received: {kernel_size}"
            )
        self.sigma = tuple(sigma)
        self.kernel_size = kernel_size
        self.probability = probability

    def augment(self, images, draws):
        sigmas = self.amounts(draws)
        row_weights, column_weights = (
            blur_weights(sigmas, size, self.kernel_size)
            for size in images.shape[1:3]
        )
        return resampling.resample(images, row_weights, column_weights)

    def amounts(self, draws):
        """Returns the standard deviations that `draws` stand for, or 0."""
        sigmas = augmentation.uniform(draws[:, 1], *self.sigma)
        return ops.where(draws[:, 0] < self.probability, sigmas, 0.0)

    def check(self, images_shape):
        if self.kernel_size // 2 >= min(images_shape[1:3]):
            raise ValueError(
                "The kernel reaches beyond the reflection of the image: set a "
                f"smaller `kernel_size`. Received: {self.kernel_size} for "
                f"images of shape {tuple(images_shape)}"
            )


def blur_weights(sigmas, size, kernel_size):
    """Returns the weights of old pixels in blurred ones, along one axis.

    Images are padded with their reflection, which does not repeat the edge.

    Args:
        sigmas: float tensor `(batch,)`. Standard deviations, in pixels; 0
            leaves an image as it is.
        size: int. Pixels of the images along the axis.
        kernel_size: int. Pixels of the kernel; odd.

    Returns:
        Float32 tensor `(batch, size, size)` for `resampling.resample`. Its
        rows add up to 1.
    """
    steps = np.arange(kernel_size) - kernel_size // 2
    # A deviation this small puts all weight on the pixel itself.
    sigmas = ops.maximum(ops.cast(sigmas, "float32"), 1e-3)[:, None]
    kernels = ops.exp(-0.5 * (steps.astype("float32") / sigmas) ** 2)
    kernels = kernels / ops.sum(kernels, axis=1, keepdims=True)
    last = size - 1
    places = last - np.abs(last - np.abs(np.arange(size)[:, None] + steps))
    # One-hot: the old pixel that each place of the kernel reads.
    is_read = np.eye(size, dtype="float32")[places.T]
    is_read = is_read.reshape(kernel_size, size * size)
    return ops.reshape(ops.matmul(kernels, is_read), (-1, size, size))
