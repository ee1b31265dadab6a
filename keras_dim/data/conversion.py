"""Pixels to the size and the number of channels that were asked for."""

from typing import Any

import tensorflow as tf


def parse_image_size(image_size: Any) -> tuple[int, int] | None:
    """`image_size` as `(height, width)`, or `None`."""
    if image_size is None:
        return None
    sizes = image_size
    if not isinstance(image_size, tuple | list):
        sizes = (image_size, image_size)
    try:
        sizes = tuple(int(size) for size in sizes if int(size) == size)
    except (TypeError, ValueError):
        sizes = ()
    if len(sizes) != 2 or min(sizes) < 1:
        raise ValueError(
            "`image_size` must be a positive integer or a pair (height, "
            f"width) of them. Received: {image_size!r}"
        )
    return sizes


def choose_channels(native: int, channels: int | None, name: str) -> int:
    """The number of channels to deliver from images that have `native`.

    Args:
        native: int. Channels of the source.
        channels: int or `None`. What was asked for; `None` is `native`.
        name: str. The source, for the message.

    Raises:
        ValueError: if the conversion has no sound meaning.
    """
    if channels is None or channels == native:
        return native
    if {native, channels} == {1, 3}:
        return channels
    raise ValueError(
        f"The images of {name} have {native} channel(s), which cannot be "
        f"turned into {channels!r}: only grey (1) and colour (3) convert to "
        f"each other. Leave `channels` out or pass channels={native}."
    )


def convert(
    images: tf.Tensor, image_shape: tuple[int, int, int], resize: bool
) -> tf.Tensor:
    """Turns images into `image_shape`.

    Colour becomes grey by luminance, grey becomes colour by repetition, and
    sizes change by bilinear interpolation with antialiasing (the aspect
    ratio is not kept).

    Args:
        images: uint8 tensor `(..., height, width, channels)` of rank 3 or 4,
            with static channels.
        image_shape: tuple. `(height, width, channels)`.
        resize: bool. Whether sizes may change. Otherwise another size is an
            error.
    """
    height, width, channels = image_shape
    if channels == 1 and images.shape[-1] == 3:
        images = tf.image.rgb_to_grayscale(images)
    if resize and tuple(images.shape[-3:-1]) != (height, width):
        images = _resize(images, (height, width))
    if channels == 3 and images.shape[-1] == 1:
        images = tf.image.grayscale_to_rgb(images)
    batch = [None] * (len(images.shape) - 3)
    return tf.ensure_shape(images, [*batch, *image_shape])


def _resize(images, size):
    def resized():
        pixels = tf.image.resize(images, size, "bilinear", antialias=True)
        return tf.saturate_cast(tf.round(pixels), tf.uint8)

    present = tf.shape(images)[-3:-1]
    return tf.cond(
        tf.reduce_all(present == size), lambda: images, lambda: resized()
    )
