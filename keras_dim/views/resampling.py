"""Boxes of images resized, each image its own box.

Each new row is a weighted sum of old ones, and each new column likewise, so
that images are resampled by two batched matrix products.
"""

from keras import ops


def _bicubic(distances):
    """Twice Keys' cubic of a = -1/2."""
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

    They are those of Pillow's `Image.resize`: the kernel is as wide as the
    scale asks, so that shrinking does not alias, and pixels beyond the box
    have no weight.

    Args:
        starts, lengths: float tensors `(batch,)`. Where each box begins and
            how long it is, in pixels.
        size: int. Pixels of the images.
        new_size: int. Pixels of the resampled boxes.
        method: str. A name of `KERNELS`. Defaults to `"bicubic"`.

    Returns:
        Float32 tensor `(batch, new_size, size)`. Its rows add up to 1.
    """
    starts = ops.cast(starts, "float32")[:, None]
    lengths = ops.cast(lengths, "float32")[:, None]
    scales = lengths / new_size
    widths = ops.maximum(scales, 1.0)
    pixels = ops.arange(size, dtype="float32") + 0.5
    centers = starts + (ops.arange(new_size, dtype="float32") + 0.5) * scales
    # Pixels outside the box move out of every kernel's reach.
    is_outside = ops.logical_or(pixels < starts, pixels > starts + lengths)
    pixels = ops.where(is_outside, -1e6, pixels / widths)
    distances = ops.abs(pixels[:, None, :] - (centers / widths)[:, :, None])
    values = KERNELS[method](distances)
    # Rows that add up to 1 keep the grey of a uniform box.
    return values / ops.sum(values, axis=-1, keepdims=True)


def resample(images, row_weights, column_weights):
    """Resamples images by the weights of their rows and columns.

    Args:
        images: float tensor `(batch, height, width, channels)` in [0, 255].
        row_weights: tensor `(batch, new_height, height)`.
        column_weights: tensor `(batch, new_width, width)`.

    Returns:
        Float tensor `(batch, new_height, new_width, channels)` in [0, 255].
    """
    height, width, channels = images.shape[1:]
    new_height, new_width = row_weights.shape[1], column_weights.shape[1]
    # Products of one matrix with many would do for weights of batch 1, but
    # TensorFlow reads beyond their end where oneDNN multiplies.
    rows = ops.reshape(
        ops.transpose(images, (0, 1, 3, 2)), (-1, height * channels, width)
    )
    # Columns first, and each result within range, as Pillow has it: bicubic
    # weights may be negative.
    rows = ops.matmul(rows, ops.transpose(column_weights, (0, 2, 1)))
    rows = ops.clip(rows, 0.0, 255.0)
    rows = ops.reshape(rows, (-1, height, channels * new_width))
    rows = ops.clip(ops.matmul(row_weights, rows), 0.0, 255.0)
    rows = ops.reshape(rows, (-1, new_height, channels, new_width))
    return ops.transpose(rows, (0, 1, 3, 2))
