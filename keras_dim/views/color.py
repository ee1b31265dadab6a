"""Images that become grey or inverted, and helpers for colours."""

import keras
from keras import ops

from keras_dim import checks
from keras_dim.views import augmentation


@keras.saving.register_keras_serializable(package="keras_dim")
class RandomGrayscale(augmentation.Augmentation):
    """Takes the colours out of images; never in inference.

    Grey images keep three channels, all alike. Images of other than three
    channels have no colours, and pass through.

    Args:
        probability: float. Share of images that become grey.
        seed: int or None for a random one.
    """

    def __init__(self, probability, seed=None, **kwargs):
        super().__init__(seed, **kwargs)
        checks.between(0, 1, probability=probability)
        self.probability = probability

    def augment(self, images, draws):
        if images.shape[-1] != 3:
            return images
        planes = to_planes(images)
        is_grey, levels = draws[:, :1] < self.probability, grey(planes)
        planes = [ops.where(is_grey, levels, plane) for plane in planes]
        return to_images(planes, images.shape)


@keras.saving.register_keras_serializable(package="keras_dim")
class RandomChannelDrop(augmentation.Augmentation):
    """Drops all channels but one, drawn for each image; never in inference.

    Dropped channels become 127.5, the middle of the grey levels. Images of one
    channel pass through.

    Args:
        probability: float. Share of images that are changed. Defaults to 1.
        seed: int or None for a random one.
    """

    num_draws = 2

    def __init__(self, probability=1.0, seed=None, **kwargs):
        super().__init__(seed, **kwargs)
        checks.between(0, 1, probability=probability)
        self.probability = probability

    def augment(self, images, draws):
        channels = images.shape[-1]
        if channels == 1:
            return images
        kept = augmentation.integers(draws[:, 1], channels)
        is_dropped = ops.logical_and(
            draws[:, :1] < self.probability,
            kept[:, None] != ops.arange(channels),
        )
        return ops.where(is_dropped[:, None, None, :], 127.5, images)


@keras.saving.register_keras_serializable(package="keras_dim")
class RandomSolarize(augmentation.Augmentation):
    """Inverts the pixels from a threshold on; never in inference.

    Args:
        threshold: float. Grey level, of 0 to 255. Defaults to 128.
        probability: float. Share of images that are changed. Defaults to 1.
        seed: int or None for a random one.
    """

    def __init__(self, threshold=128.0, probability=1.0, seed=None, **kwargs):
        super().__init__(seed, **kwargs)
        checks.between(0, 1, probability=probability)
        self.threshold = threshold
        self.probability = probability

    def augment(self, images, draws):
        is_changed = (draws[:, 0] < self.probability)[:, None, None, None]
        is_bright = ops.logical_and(is_changed, images >= self.threshold)
        return ops.where(is_bright, 255.0 - images, images)


def to_planes(images):
    """Returns the channels one by one, as tensors `(batch, pixels)`."""
    # Planes make channels contiguous. The transposition that ends one change
    # and that which begins the next cancel out in a graph.
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
