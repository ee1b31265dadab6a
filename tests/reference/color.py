"""Changes of colour, one at a time, in NumPy and the standard library.

Images have shape `(batch, height, width, channels)`, amounts `(batch,)`.
"""

import colorsys

import numpy as np


def to_grayscale(images):
    """ITU-R BT.601; the mean of channels that are not three."""
    if images.shape[-1] != 3:
        return images.mean(-1, keepdims=True)
    return (images * [0.299, 0.587, 0.114]).sum(-1, keepdims=True)


def adjust_brightness(images, factors):
    return np.clip(images * _per_image(factors), 0, 255)


def adjust_contrast(images, factors):
    """About the mean grey value of each image."""
    mean = to_grayscale(images).mean((1, 2, 3), keepdims=True)
    return np.clip(mean + _per_image(factors) * (images - mean), 0, 255)


def adjust_saturation(images, factors):
    """About the grey value of each pixel."""
    grey = to_grayscale(images)
    return np.clip(grey + _per_image(factors) * (images - grey), 0, 255)


def adjust_hue(images, turns):
    turned = [
        [_turn(pixel, turn) for pixel in image.reshape(-1, 3) / 255]
        for image, turn in zip(images, turns, strict=True)
    ]
    return 255 * np.reshape(turned, images.shape)


def _turn(pixel, turn):
    hue, saturation, value = colorsys.rgb_to_hsv(*pixel)
    return colorsys.hsv_to_rgb((hue + turn) % 1, saturation, value)


def _per_image(amounts):
    return np.float64(amounts)[:, None, None, None]
