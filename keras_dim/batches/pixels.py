"""Raw pixels in [0, 255] of shape (images, height, width, channels)."""

import warnings
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_dim.batches.forms import dtype_name
from keras_dim.batches.forms import known_shape

# Pixels are looked at in the first, middle and last so many images, and in at
# most so many numbers of each of these three parts.
SAMPLED_IMAGES = 100
SAMPLED_NUMBERS = 2**22
# Numbers of channels that an image may have.
CHANNELS = (1, 2, 3, 4)


def check(
    images: Any,
    image_shape: Sequence[int | None] | None = None,
    min_images: int = 1,
    who: str = "keras_dim",
    why: str = "",
) -> None:
    """Refuses arrays that are no raw pixels, or not of the wanted shape.

    Pixels of `uint8` are taken as they are. Of other dtypes the first, middle
    and last 100 images are looked at (fewer of large images), so that the
    check costs little however many images there are. Refused are NaN, values
    below 0 or above 255, and fractions in [0, 1]; black and white images of 0
    and 1 are warned about.

    Args:
        images: array or eager tensor.
        image_shape: sequence of int or `None`. `(height, width, channels)`,
            `None` for any number. Defaults to `None`, any image.
        min_images: int. Defaults to `1`.
        who: str. Name of the caller, for the message.
        why: str. Why fewer than `min_images` do not do, for the message.

    Raises:
        ValueError: as said, in one line with what came, what was expected and
            how to mend it.
    """
    check_spec(images.shape, images.dtype, image_shape, who)
    if len(images) < max(min_images, 1):
        refuse_few(len(images), min_images, who, why)
    if dtype_name(images.dtype) != "uint8":
        _check_pixels(_sample(images), dtype_name(images.dtype), who)


def check_spec(
    shape: Sequence[int | None],
    dtype: Any,
    image_shape: Sequence[int | None] | None = None,
    who: str = "keras_dim",
) -> None:
    """Refuses shapes and dtypes that no batch of images has.

    Args:
        shape: sequence of int or `None`. Of the batch, `None` where it is not
            known.
        dtype: the images' dtype.
        image_shape: see `check`.
        who: see `check`.

    Raises:
        ValueError: as `check` does.
    """
    refuse_channels_first(who)
    shape = known_shape(shape)
    if dtype_name(dtype) == "bool":
        raise ValueError(
            f"{who} expects raw pixels in [0, 255]. Received dtype bool: "
            "pass images.astype('uint8') * 255"
        )
    if shape is None or _fits(shape, image_shape):
        return
    expected = "(images, height, width, channels)"
    if image_shape is not None:
        expected = str((None, *image_shape))
    if len(shape) == 3 and (image_shape is None or len(image_shape) == 3):
        is_one = shape[-1] in CHANNELS
        mend = "images[None]" if is_one else "images[..., None]"
        reason = "one image is a batch" if is_one else "grey is one channel"
        mend = f": {reason} by {mend}; batch a data set"
    elif (
        len(shape) == 4
        and shape[1] in CHANNELS
        and shape[3] not in (*CHANNELS, None)
    ):
        mend = (
            ", which has the channels first: put them last by "
            "numpy.transpose(images, (0, 2, 3, 1))"
        )
    else:
        mend = (
            ": resize the images (data sources take `image_size` and "
            "`channels`), and batch a data set"
        )
    raise ValueError(
        f"{who} expects batches of shape {expected}. The images do not fit. "
        f"Received: {shape}{mend}"
    )


def refuse_channels_first(who: str = "keras_dim") -> None:
    """Raises a `ValueError` where Keras is set to `"channels_first"`."""
    if keras.config.image_data_format() == "channels_first":
        raise ValueError(
            f"{who} expects channels last, and Keras is set to "
            "'channels_first': call keras.config.set_image_data_format("
            "'channels_last') before anything is built"
        )


def refuse_few(num_images, min_images, who, why):
    if not num_images:
        raise ValueError(
            "There are no images. Received an empty array or data set."
        )
    raise ValueError(
        f"{who} expects {min_images} images or more in a batch"
        f"{why and f': {why}'}. Received {num_images}: pass another batch_size "
        "or, at the end of a data set, drop_remainder=True"
    )


def _fits(shape, image_shape):
    if image_shape is None:
        return len(shape) == 4 and not (
            shape[1] in CHANNELS
            and shape[3] not in (*CHANNELS, None)
            and (shape[2] is None or shape[2] not in CHANNELS)
        )
    return len(shape) == len(image_shape) + 1 and all(
        None in (expected, received) or expected == received
        for expected, received in zip(image_shape, shape[1:], strict=True)
    )


def _sample(images):
    size = max(int(np.prod(images.shape[1:])), 1)
    length = max(1, min(SAMPLED_IMAGES, SAMPLED_NUMBERS // size))
    if len(images) <= 3 * length:
        return keras.ops.convert_to_numpy(images)
    middle = len(images) // 2
    return np.concatenate(
        [
            keras.ops.convert_to_numpy(part)
            for part in (
                images[:length],
                images[middle : middle + length],
                images[-length:],
            )
        ]
    )


def _check_pixels(pixels, dtype, who):
    if not pixels.size:
        raise ValueError(
            f"{who} expects images with pixels. Received shape: {pixels.shape}"
        )
    if dtype == "bfloat16":
        pixels = pixels.astype("float32")
    low, high = float(pixels.min()), float(pixels.max())
    expected = f"{who} expects raw pixels in [0, 255]."
    received = f"Received {dtype} values from {low:g} to {high:g}"
    # Half a step may be the error of a resizing.
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ValueError(f"{expected} {received}: images must be finite")
    if low < -0.5 and high <= 1:
        raise ValueError(
            f"{expected} {received}: pass (images + 1) * 127.5 where they are "
            "in [-1, 1]"
        )
    if high > 255.5 and dtype in ("uint16", "int32", "int64", "uint32"):
        raise ValueError(
            f"{expected} {received}: pass (images // 257).astype('uint8') "
            "where they have 16 bits"
        )
    if low < -0.5 or high > 255.5 or (low < 0 and high <= 1):
        raise ValueError(
            f"{expected} {received}: undo their standardisation, or pass "
            "numpy.clip(images, 0, 255)"
        )
    if not 0 < high <= 1:
        return
    if (pixels != np.rint(pixels)).any():
        raise ValueError(
            f"{expected} {received}, which is nearly black: pass images * 255"
        )
    warnings.warn(
        f"{expected} {received}, which is nearly black: pass images * 255 if 1 "
        "is white, images.astype('uint8') if it is meant",
        stacklevel=4,
    )
