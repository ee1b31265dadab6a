"""The images themselves as features: the score that training must beat."""

from collections.abc import Sequence

import keras
import numpy as np

from keras_dim import batches


def raw_pixels(images: np.ndarray) -> np.ndarray:
    """Returns the pixels as features, flattened and scaled to `[0, 1]`.

    Args:
        images: array `(num_images, height, width, channels)`. Raw pixels,
            `uint8` or float in `[0, 255]`. Others are a `ValueError`.

    Returns:
        float32 array `(num_images, height * width * channels)`.
    """
    images = np.asarray(images)
    batches.check(images, who="raw_pixels")
    return images.reshape(len(images), -1).astype("float32") / 255


def raw_pixels_encoder(image_shape: Sequence[int]) -> keras.Model:
    """Returns a model whose one feature, `"raw_pixels"`, is the image.

    It stands in for an encoder, in `extract` and in callbacks. `image_shape`
    is `(height, width, channels)`.
    """
    images = keras.Input(tuple(image_shape), dtype="float32")
    pixels = keras.layers.Rescaling(1 / 255, dtype="float32")(images)
    pixels = keras.layers.Flatten(dtype="float32")(pixels)
    return keras.Model(images, {"raw_pixels": pixels}, name="raw_pixels")
