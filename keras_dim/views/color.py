"""The channels of images one by one, and their grey value."""

from keras import ops


def to_planes(images):
    """Returns the channels one by one, as tensors `(batch, pixels)`.

    Planes make channels contiguous. The transposition that ends one change
    and that which begins the next cancel out in a graph.
    """
    height, width, channels = images.shape[1:]
    planes = ops.transpose(images, (3, 0, 1, 2))
    planes = ops.reshape(planes, (channels, -1, height * width))
    return [planes[channel] for channel in range(channels)]


def to_images(planes, images_shape):
    """Returns planes as images; only the height and width are looked at."""
    height, width = images_shape[1:3]
    images = ops.reshape(ops.stack(planes), (len(planes), -1, height, width))
    return ops.transpose(images, (1, 2, 3, 0))


def grey(planes):
    """Returns the grey value, tensor `(batch, pixels)`.

    Red, green and blue are weighted by ITU-R BT.601, as in Pillow. Of other
    than three channels it is the mean.
    """
    if len(planes) != 3:
        return sum(planes[1:], planes[0]) / len(planes)
    red, green, blue = planes
    return 0.299 * red + 0.587 * green + 0.114 * blue
