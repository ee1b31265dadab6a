"""Squares cut out of images."""

import keras
from keras import ops

from keras_dim.views import augmentation
from keras_dim.views import geometry


@keras.saving.register_keras_serializable(package="keras_dim")
class RandomCrop(augmentation.Augmentation):
    """Cuts a square out of each image at a random place; centred in inference.

    Args:
        size: int. Height and width of the crop.
        padding: int. Pixels by which the image is first reflected outwards on
            each side. Defaults to 0.
        seed: int or None for a random one.
    """

    num_draws = 2
    moves_pixels = True

    def __init__(self, size, padding=0, seed=None, **kwargs):
        super().__init__(seed, **kwargs)
        self.size = size
        self.padding = padding

    def augment(self, images, draws):
        # Each of the `free + 1` corners is as likely as the next.
        free = ops.array(self._free(images.shape), "float32")
        return self._crop(images, augmentation.integers(draws, free + 1.0))

    def infer(self, images):
        corner = [free // 2 for free in self._free(images.shape)]
        return self._crop(images, ops.array([corner], "int32"))

    def check(self, images_shape):
        smallest = min(images_shape[1:3])
        if min(self._free(images_shape)) < 0 or self.padding >= smallest:
            raise ValueError(
                f"A crop of {self.size} pixels does not fit into images of "
                f"shape {tuple(images_shape)} with padding={self.padding}"
            )

    def _crop(self, images, corners):
        tops, lefts = corners[:, 0] - self.padding, corners[:, 1] - self.padding
        return geometry.crop(images, tops, lefts, self.size, self.size)

    def _free(self, images_shape):
        """Returns by how many pixels a crop may move down and right."""
        around = 2 * self.padding - self.size
        return [length + around for length in images_shape[1:3]]
