"""Pixels to the size and the number of channels that were asked for."""

import tensorflow as tf


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
