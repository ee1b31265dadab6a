"""Pixels moved to other places, each image in its own way."""

from keras import ops


def crop(images, tops, lefts, height, width):
    """Cuts a box out of each image.

    Beyond its edges an image goes on as its reflection, which does not repeat
    the edge.

    Args:
        images: tensor `(batch, height, width, channels)`.
        tops, lefts: int tensors `(batch,)`, or `(1,)` for all images. First
            row and column of each box. They may be negative.
        height, width: int. Size of the boxes.

    Returns:
        Tensor `(batch, height, width, channels)`, of the dtype of `images`.
    """
    num_images = ops.shape(images)[0]
    old_height, old_width, channels = images.shape[1:]
    rows = _reflect(tops[:, None] + ops.arange(height), old_height)
    columns = _reflect(lefts[:, None] + ops.arange(width), old_width)
    # Where each pixel lies in the batch: one look-up fetches them all.
    rows = ops.arange(num_images)[:, None] * old_height + rows
    places = rows[:, :, None] * old_width + columns[:, None, :]
    return ops.take(ops.reshape(images, (-1, channels)), places, axis=0)


def _reflect(places, length):
    last = length - 1
    return last - ops.abs(last - ops.abs(places))
