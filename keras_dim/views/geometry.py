"""Random moves of pixels: crops, flips, turns and translations."""

import keras
from keras import ops

from keras_dim import checks
from keras_dim.views import augmentation


@keras.saving.register_keras_serializable(package="keras_dim")
class RandomCrop(augmentation.Augmentation):
    """Cuts a random square out of each image, the central one in inference.

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
        checks.integers(1, size=size)
        checks.integers(0, padding=padding)
        self.size = size
        self.padding = padding

    def augment(self, images, draws):
        # All `free + 1` corners are equally likely.
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
        corners = corners - self.padding
        return crop(images, corners[:, 0], corners[:, 1], self.size, self.size)

    def _free(self, images_shape):
        """Returns how many pixels a crop may move down, and how many right."""
        around = 2 * self.padding - self.size
        return [length + around for length in images_shape[1:3]]


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
        super().__init__(seed, probability, **kwargs)

    def augment(self, images, draws):
        num_images = ops.shape(images)[0]
        is_mirrored = ops.cast(draws[:, 0] < self.probability, "int32")
        # Copying whole images is faster than a choice for each pixel.
        both = ops.concatenate([images, ops.flip(images, axis=2)])
        rows = ops.arange(num_images) + num_images * is_mirrored
        return ops.take(both, rows, axis=0)


@keras.saving.register_keras_serializable(package="keras_dim")
class RandomQuarterTurn(augmentation.Augmentation):
    """Turns images by 0, 90, 180 or 270 degrees; never in inference.

    For images without a top, such as those from a satellite or a microscope.
    Images that are not square are turned by 0 or 180 degrees.

    Args:
        seed: int or None for a random one.
    """

    moves_pixels = True

    def __init__(self, seed=None, **kwargs):
        super().__init__(seed, **kwargs)

    def augment(self, images, draws):
        turns = augmentation.integers(draws[:, 0], 4)[:, None, None, None]
        half = ops.flip(images, axis=(1, 2))
        images = ops.where(turns >= 2, half, images)
        if images.shape[1] != images.shape[2]:
            return images
        quarter = ops.flip(ops.transpose(images, (0, 2, 1, 3)), axis=1)
        return ops.where(turns % 2 == 1, quarter, images)


@keras.saving.register_keras_serializable(package="keras_dim")
class RandomTranslation(augmentation.Augmentation):
    """Moves images by whole pixels; never in inference.

    The moves down and right are independent, and uniform among the integers
    from `-max_pixels` to `max_pixels`. The border is filled by the reflection
    of the image, which does not repeat the edge.

    Args:
        max_pixels: int. Largest move along each axis.
        probability: float. Share of images that are moved. Defaults to 1.
        seed: int or None for a random one.
    """

    num_draws = 3
    moves_pixels = True

    def __init__(self, max_pixels, probability=1.0, seed=None, **kwargs):
        super().__init__(seed, probability, **kwargs)
        checks.integers(0, max_pixels=max_pixels)
        self.max_pixels = max_pixels

    def augment(self, images, draws):
        is_moved = draws[:, :1] < self.probability
        moves = augmentation.integers(draws[:, 1:], 2.0 * self.max_pixels + 1.0)
        moves = ops.where(is_moved, moves - self.max_pixels, 0)
        return crop(images, -moves[:, 0], -moves[:, 1], *images.shape[1:3])

    def check(self, images_shape):
        if self.max_pixels >= min(images_shape[1:3]):
            raise ValueError(
                "`max_pixels` must be smaller than the height and width of the "
                f"images. Received: {self.max_pixels} for images of shape "
                f"{tuple(images_shape)}"
            )


def crop(images, tops, lefts, height, width):
    """Cuts a box of `(height, width)` out of each image, and keeps the dtype.

    An image is continued by its reflection, which does not repeat the edge.
    `tops` and `lefts`, the first row and column of each box, are int tensors
    `(batch,)`, or `(1,)` for all images. They may be negative.
    """
    num_images = ops.shape(images)[0]
    old_height, old_width, channels = images.shape[1:]
    rows = _reflect(tops[:, None] + ops.arange(height), old_height)
    columns = _reflect(lefts[:, None] + ops.arange(width), old_width)
    # One look-up by places in the whole batch fetches all pixels.
    rows = ops.arange(num_images)[:, None] * old_height + rows
    places = rows[:, :, None] * old_width + columns[:, None, :]
    return ops.take(ops.reshape(images, (-1, channels)), places, axis=0)


def _reflect(places, length):
    last = length - 1
    return last - ops.abs(last - ops.abs(places))
