"""Random boxes, cut out and resized."""

import math

import keras
from keras import ops

from keras_dim import checks
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
        method: str. `"bilinear"` or `"bicubic"`. Defaults to `"bicubic"`.
        inference_size: int, or None for `size`.
        seed: int or None for a random one.
    """

    num_draws = 2 * NUM_TRIES + 2

    def __init__(
        self,
        size,
        scale=(0.08, 1.0),
        ratio=(3 / 4, 4 / 3),
        method="bicubic",
        inference_size=None,
        seed=None,
        **kwargs,
    ):
        super().__init__(seed, **kwargs)
        checks.one_of(resampling.KERNELS, method=method)
        augmentation.check_ranges(scale=scale, ratio=ratio)
        checks.between(0, 1, scale=scale[1])
        checks.at_least(size, **checks.given(inference_size=inference_size))
        self.size = size
        self.scale = tuple(scale)
        self.ratio = tuple(ratio)
        self.method = method
        self.inference_size = inference_size

    def augment(self, images, draws):
        image_size = images.shape[1:3]
        tops, lefts, heights, widths = draw_boxes(
            draws, image_size, self.scale, self.ratio
        )
        row_weights, column_weights = (
            resampling.weights(starts, lengths, length, self.size, self.method)
            for starts, lengths, length in zip(
                (tops, lefts), (heights, widths), image_size, strict=True
            )
        )
        return resampling.resample(images, row_weights, column_weights)

    def infer(self, images):
        image_size = images.shape[1:3]
        shorter = self.inference_size or self.size
        row_weights, column_weights = (
            self._middle(images, length, shorter * length // min(image_size))
            for length in image_size
        )
        return resampling.resample(images, row_weights, column_weights)

    def _middle(self, images, length, new_length):
        """Returns weights of the middle of images resized to `new_length`."""
        first = round((new_length - self.size) / 2)
        starts = ops.zeros((ops.shape(images)[0],))
        whole = resampling.weights(
            starts, starts + length, length, new_length, self.method
        )
        return whole[:, first : first + self.size]


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
    logs = draws[:, NUM_TRIES : 2 * NUM_TRIES]
    ratios = ops.exp(augmentation.uniform(logs, *map(math.log, ratio)))
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
        anywhere = augmentation.integers(draws, free + 1.0)
        middle = ops.floor(free / 2.0)
        return ops.where(some_fits, ops.cast(anywhere, "float32"), middle)

    # The largest box whose ratio is within bounds.
    heights = choose(heights, float(min(height, round(width / ratio[0]))))
    widths = choose(widths, float(min(width, round(height * ratio[1]))))
    tops = place(draws[:, -2], height - heights)
    lefts = place(draws[:, -1], width - widths)
    return tops, lefts, heights, widths
