"""Resampling: random boxes resized to squares, and Gaussian blur.

Each new row is a weighted sum of old rows, and each new column one of old
columns, so that two batched matrix products resample images.
"""

import math

import keras
import numpy as np
from keras import ops

from keras_dim import checks
from keras_dim.views import augmentation

# Number of boxes drawn for an image. The first one that fits is used.
NUM_TRIES = 10


def _bicubic(distances):
    """Returns twice Keys' cubic kernel of a = -1/2, as rows are normalised."""
    # With w falling from 1 to -1 between distances 0 and 2, the outer cubic
    # is w (1 + w)^2, and the inner one 2 w^2 (1 - 2 w) more.
    from_two = ops.relu(2.0 - distances)
    from_one = from_two - 1.0
    inside = ops.relu(from_one)
    return from_one * (from_two * from_two + inside * (2.0 - 4.0 * inside))


KERNELS = {
    "bilinear": lambda distances: ops.relu(1.0 - distances),
    "bicubic": _bicubic,
}


def weights(starts, lengths, size, new_size, method="bicubic"):
    """Returns the weights of old pixels in new ones, along one axis.

    They are those of Pillow's `Image.resize`: kernels widen with the scale, so
    that shrinking does not alias, and pixels outside the box have no weight.

    Args:
        starts, lengths: float tensors `(batch,)`. The boxes, in pixels.
        size, new_size: int. Pixels of the image, and of the resized box.
        method: str. `"bilinear"` or `"bicubic"`.

    Returns:
        float32 tensor `(batch, new_size, size)` whose rows add up to 1.
    """
    starts = ops.cast(starts, "float32")[:, None]
    lengths = ops.cast(lengths, "float32")[:, None]
    scales = lengths / new_size
    widths = ops.maximum(scales, 1.0)
    pixels = ops.arange(size, dtype="float32") + 0.5
    centers = starts + (ops.arange(new_size, dtype="float32") + 0.5) * scales
    # Pixels outside the box are moved far away from every kernel.
    is_outside = ops.logical_or(pixels < starts, pixels > starts + lengths)
    pixels = ops.where(is_outside, -1e6, pixels / widths)
    distances = ops.abs(pixels[:, None, :] - (centers / widths)[:, :, None])
    values = KERNELS[method](distances)
    # A uniform box keeps its grey level if rows add up to 1.
    return values / ops.sum(values, axis=-1, keepdims=True)


def resample(images, row_weights, column_weights, clip=True):
    """Resamples images by the weights of their rows and columns.

    Weights are `(batch, new_height, height)` and `(batch, new_width, width)`.
    With `clip` the results are clipped to [0, 255].
    """

    def within(values):
        return ops.clip(values, 0.0, 255.0) if clip else values

    height, width, channels = images.shape[1:]
    new_height, new_width = row_weights.shape[1], column_weights.shape[1]
    # Weights of batch 1 could be multiplied with all images, but TensorFlow's
    # product by oneDNN would read beyond their end.
    rows = ops.reshape(
        ops.transpose(images, (0, 1, 3, 2)), (-1, height * channels, width)
    )
    # As in Pillow, columns come first, and each product is clipped: bicubic
    # weights may be negative.
    rows = ops.matmul(rows, ops.transpose(column_weights, (0, 2, 1)))
    rows = within(rows)
    rows = ops.reshape(rows, (-1, height, channels * new_width))
    rows = within(ops.matmul(row_weights, rows))
    rows = ops.reshape(rows, (-1, new_height, channels, new_width))
    return ops.transpose(rows, (0, 1, 3, 2))


@keras.saving.register_keras_serializable(package="keras_dim")
class RandomResizedCrop(augmentation.Augmentation):
    """Cuts a random box out of each image and resizes it to a square.

    The area of the box is uniform in `scale`, as a share of the image, and its
    ratio of width to height log-uniform in `ratio`; its sides are rounded to
    whole pixels. If the box does not fit into the image, another one is drawn.
    If none of ten fits, it is the largest centred box whose ratio is within
    `ratio`.

    In inference, the shorter side of the image is resized to
    `inference_size`, and the central square is cut out.

    Args:
        size: int. Height and width of the result.
        scale: tuple of two floats. Defaults to `(0.08, 1.0)`.
        ratio: tuple of two floats. Defaults to `(3 / 4, 4 / 3)`.
        method: str. `"bilinear"` or `"bicubic"`. Defaults to `"bicubic"`.
        inference_size: int, or None for `size`.
        seed: int or None for a random one.
        clip: bool. Whether the result is clipped to [0, 255]; without it,
            values outside are kept. Defaults to `True`.
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
        clip=True,
        **kwargs,
    ):
        super().__init__(seed, **kwargs)
        checks.integers(1, size=size)
        checks.one_of(KERNELS, method=method)
        augmentation.check_ranges(scale=scale, ratio=ratio)
        checks.between(0, 1, scale=scale[1])
        checks.at_least(size, **checks.given(inference_size=inference_size))
        self.size = size
        self.scale = tuple(scale)
        self.ratio = tuple(ratio)
        self.method = method
        self.inference_size = inference_size
        self.clip = clip

    def augment(self, images, draws):
        height, width = images.shape[1:3]
        tops, lefts, heights, widths = draw_boxes(
            draws, (height, width), self.scale, self.ratio
        )
        new = self.size, self.method
        return resample(
            images,
            weights(tops, heights, height, *new),
            weights(lefts, widths, width, *new),
            self.clip,
        )

    def infer(self, images):
        starts = ops.zeros((ops.shape(images)[0],))

        def middle(length):
            new_length = (self.inference_size or self.size) * length
            new_length //= min(images.shape[1:3])
            first = round((new_length - self.size) / 2)
            whole = starts, starts + length, length, new_length, self.method
            return weights(*whole)[:, first : first + self.size]

        return resample(images, *map(middle, images.shape[1:3]), self.clip)


def draw_boxes(draws, image_size, scale, ratio):
    """Turns uniform draws into boxes within an image; see `RandomResizedCrop`.

    Args:
        draws: float tensor `(batch, 2 * NUM_TRIES + 2)` in [0, 1).
        image_size: pair of int. `(height, width)`.
        scale, ratio: see `RandomResizedCrop`.

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

    # The fallback is the largest box whose ratio is within bounds.
    heights = choose(heights, float(min(height, round(width / ratio[0]))))
    widths = choose(widths, float(min(width, round(height * ratio[1]))))
    tops = place(draws[:, -2], height - heights)
    lefts = place(draws[:, -1], width - widths)
    return tops, lefts, heights, widths


@keras.saving.register_keras_serializable(package="keras_dim")
class RandomGaussianBlur(augmentation.Augmentation):
    """Blurs images with a Gaussian kernel; never in inference.

    Args:
        sigma: tuple of two floats. The kernel's standard deviation is uniform
            between them, in pixels. Defaults to `(0.1, 2.0)`.
        kernel_size: int, odd, or None for the first size that reaches three
            of the largest standard deviations to each side.
        probability: float. Share of images that are blurred. Defaults to 1.
        seed: int or None for a random one.
        clip: bool. See `RandomResizedCrop`. Defaults to `True`.
    """

    num_draws = 2

    def __init__(
        self,
        sigma=(0.1, 2.0),
        kernel_size=None,
        probability=1.0,
        seed=None,
        clip=True,
        **kwargs,
    ):
        super().__init__(seed, probability, **kwargs)
        augmentation.check_ranges(sigma=sigma)
        if kernel_size is None:
            kernel_size = 2 * math.ceil(3.0 * sigma[1]) + 1
        checks.integers(1, kernel_size=kernel_size)
        if not kernel_size % 2:
            raise ValueError(
                f"`kernel_size` must be odd. Received: {kernel_size}"
            )
        self.sigma = tuple(sigma)
        self.kernel_size = kernel_size
        self.clip = clip

    def augment(self, images, draws):
        sigmas = self.amounts(draws)
        return resample(
            images,
            *(
                blur_weights(sigmas, size, self.kernel_size)
                for size in images.shape[1:3]
            ),
            self.clip,
        )

    def amounts(self, draws):
        """Returns the standard deviations by `draws`, 0 for no blur."""
        sigmas = augmentation.uniform(draws[:, 1], *self.sigma)
        return ops.where(draws[:, 0] < self.probability, sigmas, 0.0)

    def check(self, images_shape):
        if self.kernel_size // 2 >= min(images_shape[1:3]):
            raise ValueError(
                "`kernel_size` must be below twice the height and width of the "
                f"images. Received: {self.kernel_size} for images of shape "
                f"{tuple(images_shape)}"
            )


def blur_weights(sigmas, size, kernel_size):
    """Returns the weights of old pixels in blurred ones, along one axis.

    Images are padded with their reflection, which does not repeat the edge.
    Standard deviations `(batch,)` are in pixels; 0 does not change an image.
    The result is float32 `(batch, size, size)`; its rows add up to 1.
    """
    steps = np.arange(kernel_size) - kernel_size // 2
    # Such a small deviation gives all weight to the pixel itself.
    sigmas = ops.maximum(ops.cast(sigmas, "float32"), 1e-3)[:, None]
    kernels = ops.exp(-0.5 * (steps.astype("float32") / sigmas) ** 2)
    kernels = kernels / ops.sum(kernels, axis=1, keepdims=True)
    last = size - 1
    places = last - np.abs(last - np.abs(np.arange(size)[:, None] + steps))
    # One-hot vectors of the old pixel that each place of the kernel reads.
    is_read = np.eye(size, dtype="float32")[places.T]
    is_read = is_read.reshape(kernel_size, size * size)
    return ops.reshape(ops.matmul(kernels, is_read), (-1, size, size))
