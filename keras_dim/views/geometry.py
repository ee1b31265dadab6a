"""Pixels moved to other places, each image in its own way."""

from keras import ops


def gather(images, rows, columns):
    """Takes rows and columns of each image.

    Args:
        images: tensor `(batch, height, width, channels)`.
        rows: int tensor `(batch, new_height)`. Where each new row comes from.
        columns: int tensor `(batch, new_width)`.

    Returns:
        Tensor `(batch, new_height, new_width, channels)`.
    """
    num_images = ops.shape(images)[0]
    height, width, channels = images.shape[1:]
    rows = ops.arange(num_images)[:, None] * height + rows
    # Where each pixel lies in the batch: one look-up fetches them all.
    places = rows[:, :, None] * width + columns[:, None, :]
    return ops.take(ops.reshape(images, (-1, channels)), places, axis=0)


def crop(images, tops, lefts, size, padding=0):
    """Cuts one square out of each image.

    Args:
        images: tensor `(batch, height, width, channels)`.
        tops, lefts: int tensors `(batch,)`. First row and column of each, in
            the padded image.
        size: int. Height and width of the crops.
        padding: int. Pixels by which the images reach outwards, reflected.
            Defaults to 0.

    Returns:
        Tensor `(batch, size, size, channels)`.
    """
    steps = ops.arange(size) - padding
    height, width = images.shape[1:3]
    return gather(
        images,
        _reflect(tops[:, None] + steps, height),
        _reflect(lefts[:, None] + steps, width),
    )


def translate(images, down, right, is_mirrored=None):
    """Moves each image; what comes in at the border is its reflection.

    Args:
        images: tensor `(batch, height, width, channels)`.
        down, right: int tensors `(batch,)`. Pixels by which each image moves,
            less than its height and width.
        is_mirrored: bool tensor `(batch,)`, or None for none. Which images
            are mirrored left to right before.

    Returns:
        Tensor like `images`.
    """
    height, width = images.shape[1:3]
    columns = _reflect(ops.arange(width) - right[:, None], width)
    if is_mirrored is not None:
        columns = _mirror(columns, width, is_mirrored)
    return gather(
        images, _reflect(ops.arange(height) - down[:, None], height), columns
    )


def flip(images, is_mirrored):
    """Mirrors those images left to right for which `is_mirrored`.

    Args:
        images: tensor `(batch, height, width, channels)`.
        is_mirrored: bool tensor `(batch,)`.

    Returns:
        Tensor like `images`.
    """
    height, width = images.shape[1:3]
    columns = _mirror(ops.arange(width)[None], width, is_mirrored)
    return gather(images, ops.arange(height)[None], columns)


def _mirror(columns, width, is_mirrored):
    return ops.where(is_mirrored[:, None], width - 1 - columns, columns)


def _reflect(places, length):
    """Folds places beyond an edge back, without repeating the edge itself."""
    last = length - 1
    return last - ops.abs(last - ops.abs(places))
