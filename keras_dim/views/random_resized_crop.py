"""Random boxes, cut out and resized."""

import math

import keras
from keras import ops

from keras_dim.views import augmentation
from keras_dim.views import resampling

# How many boxes are drawn for an image, of which the first that fits is taken.
NUM_TRIES = 10


@keras.saving.register_keras_serializable(package="keras_dim")
class RandomResizedCrop(augmentation.Augmentation):
    """Cuts a random box out of each image and resizes it to a square.

    The box has an area uniform in `scale`, as a share of the image, and a
    ratio of width to height log-uniform in `ratio`; its sides are rounded to
    whole pixels. If it does not fit into the image, another one is drawn. If
    none of ten fits, the box is the largest centred one whose ratio is within
    `ratio`.

    In inference, images are resized as a whole, their shorter side to
    `inference_size`, and the square in the middle is cut out.

    Args:
        size: int. Height and width of the result.
        scale: tuple of two floats. Defaults to `(0.08, 1.0)`.
        ratio: tuple of two floats. Defaults to `(3 / 4, 4 / 3)`.
        method: str. One of `resampling.METHODS`. Defaults to `"bicubic"`.
        antialias: bool. Whether shrinking averages. Defaults to `True`.
        inference_size: int, or None for `size`.
        seed: int or None for a random one.
    """

    num_draws = 2 * NUM_TRIES + 2
    mirrors = True

    def __init__(
        self,
        size,
        scale=(0.08, 1.0),
        ratio=(3 / 4, 4 / 3),
        method="bicubic",
        antialias=True,
        inference_size=None,
        seed=None,
        **kwargs,
    ):
        super().__init__(seed, **kwargs)
        resampling.check_method(method)
        for name, (low, high) in (("scale", scale), ("ratio", ratio)):
            if not 0.0 < low <= high:
                raise ValueError(
                    f"`{name}` must be two positive numbers, the smaller one "
                    f"first. Received: {(low, high)}"
                )
        if scale[1] > 1.0:
            raise ValueError(
                "`scale` is a share of the image's area, up to 1. Received: "
                f"{tuple(scale)}"
            )
        if inference_size is not None and inference_size < size:
            raise ValueError(
                f"The crop of `size` {size} must fit into `inference_size`. "
                f"Received: {inference_size}"
            )
        self.size = size
        self.scale = tuple(scale)
        self.ratio = tuple(ratio)
        self.method = method
        self.antialias = antialias
        self.inference_size = inference_size

    def augment(self, images, draws, is_mirrored=None):
        tops, lefts, heights, widths = draw_boxes(
            draws, images.shape[1:3], self.scale, self.ratio
        )
        height, width = images.shape[1:3]
        row_weights = self._weights(tops, heights, height, self.size)
        column_weights = self._weights(
            lefts, widths, width, self.size, is_mirrored
        )
        return resampling.resample(images, row_weights, column_weights)

    def infer(self, images):
        sizes = images.shape[1:3]
        shorter = self.inference_size or self.size
        row_weights, column_weights = (
            self._middle(images, size, shorter * size // min(sizes))
            for size in sizes
        )
        return resampling.resample(images, row_weights, column_weights)

    def compute_output_shape(self, images_shape):
        return (images_shape[0], self.size, self.size, images_shape[-1])

    def _middle(self, images, size, new_size):
        """Returns weights of the middle of images resized to `new_size`."""
        first = round((new_size - self.size) / 2)
        starts = ops.zeros((ops.shape(images)[0],))
        whole = self._weights(starts, starts + size, size, new_size)
        return whole[:, first : first + self.size]

    def _weights(self, starts, lengths, size, new_size, is_mirrored=None):
        return resampling.weights(
            starts,
            lengths,
            size,
            new_size,
            self.method,
            self.antialias,
            is_mirrored,
        )


def draw_boxes(draws, image_size, scale, ratio):
    """Turns uniform draws into boxes within an image.

    Args:
        draws: float tensor `(batch, 2 * NUM_TRIES + 2)` in [0, 1).
        image_size: `(height, width)` of the images.
        scale, ratio: tuples of two floats. As in `RandomResizedCrop`.

    Returns:
        `(tops, lefts, heights, widths)`, float tensors `(batch,)` of whole
        numbers.
    """
    height, width = image_size
    areas = augmentation.uniform(draws[:, :NUM_TRIES], *scale)
    areas = areas * (height * width)
    ratios = ops.exp(
        augmentation.uniform(
            draws[:, NUM_TRIES : 2 * NUM_TRIES],
            math.log(ratio[0]),
            math.log(ratio[1]),
        )
    )
    heights = ops.round(ops.sqrt(areas / ratios))
    widths = ops.round(ops.sqrt(areas * ratios))
    fits = ops.logical_and(
        ops.logical_and(heights >= 1.0, heights <= height),
        ops.logical_and(widths >= 1.0, widths <= width),
    )
    some_fits = ops.any(fits, axis=1)
    first = ops.argmax(ops.cast(fits, "int32"), axis=1)[:, None]

    def choose(lengths, fallback):
        of_first = ops.take_along_axis(lengths, first, axis=1)[:, 0]
        return ops.where(some_fits, of_first, fallback)

    def place(draws, free):
        anywhere = augmentation.whole_numbers(draws, free + 1.0)
        return ops.where(some_fits, anywhere, ops.floor(free / 2.0))

    largest_height, largest_width = _largest(height, width, ratio)
    heights = choose(heights, largest_height)
    widths = choose(widths, largest_width)
    tops = place(draws[:, -2], height - heights)
    lefts = place(draws[:, -1], width - widths)
    return tops, lefts, heights, widths


def _largest(height, width, ratio):
    """Returns the size of the largest box whose ratio is within bounds."""
    if width < ratio[0] * height:
        return float(round(width / ratio[0])), float(width)
    if width > ratio[1] * height:
        return float(height), float(round(height * ratio[1]))
    return float(height), float(width)
