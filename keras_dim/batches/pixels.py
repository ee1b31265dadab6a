"""Checks of the values of images, `(images, height, width, channels)`."""

import warnings
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_dim.batches.forms import dtype_name
from keras_dim.batches.forms import known_shape
from keras_dim.batches.ranges import ValueRange

# Values are checked in the first, middle and last images of a batch: at most so
# many images, and so many numbers, in each of these parts.
SAMPLED_IMAGES = 100
SAMPLED_NUMBERS = 2**22
# An axis of one of these sizes is taken for the channels.
CHANNELS = (1, 2, 3, 4)


def check(
    images: Any,
    image_shape: Sequence[int | None] | None = None,
    min_images: int = 1,
    who: str = "keras_dim",
    why: str = "",
    values: ValueRange | None = None,
) -> None:
    """Refuses arrays that are not raw pixels, or not of the expected shape.

    For dtypes other than `uint8`, the values of the first, middle and last 100
    images are checked (fewer of large images). NaN, values below 0 or above
    255, and fractions in [0, 1] are refused. Images whose values are all 0 or 1
    are warned about.

    Args:
        images: array or eager tensor `(n, height, width, channels)`.
        image_shape: sequence of int or `None`. `(height, width, channels)`,
            `None` for any number. Defaults to `None`, any image.
        min_images: int. Least number of images.
        who: str. Name of the caller, for the message.
        why: str. Why there must be `min_images`, for the message.
        values: `ValueRange` or `None`. The range of stored values that are not
            pixels of 0 to 255; see `ValueRange.check`. Defaults to `None`.
    """
    check_spec(images.shape, images.dtype, image_shape, who)
    if len(images) < max(min_images, 1):
        refuse_few(len(images), min_images, who, why)
    if values is not None:
        values.check(_sample(images), dtype_name(images.dtype), who)
    elif dtype_name(images.dtype) != "uint8":
        _check_range(_sample(images), dtype_name(images.dtype), who)


def check_spec(
    shape: Sequence[int | None],
    dtype: Any,
    image_shape: Sequence[int | None] | None,
    who: str,
) -> None:
    """Refuses shapes and dtypes of a batch, as far as they are known."""
    if keras.config.image_data_format() == "channels_first":
        raise ValueError(
            f"{who} expects channels last, and Keras is set to "
            "'channels_first': call keras.config.set_image_data_format("
            "'channels_last') before anything is built"
        )
    if dtype_name(dtype) == "bool":
        raise ValueError(
            f"{who} expects raw pixels in [0, 255]. Received dtype bool: "
            "pass images.astype('uint8') * 255"
        )
    shape = known_shape(shape)
    if shape is None or _fits(shape, image_shape):
        return
    expected = "(images, height, width, channels)"
    if image_shape is not None:
        expected = str((None, *image_shape))
    advice = (
        "resize the images (data sources take `image_size` and `channels`), "
        "and batch a data set"
    )
    if len(shape) == 3 and shape[-1] in CHANNELS:
        advice = "one image is a batch by images[None]; batch a data set"
    elif len(shape) == 3:
        advice = "grey is one channel by images[..., None]"
    elif len(shape) == 4 and is_channels_first(shape):
        advice = "channels first: pass numpy.transpose(images, (0, 2, 3, 1))"
    raise ValueError(
        f"{who} expects batches of shape {expected}. The images do not fit. "
        f"Received: {shape}: {advice}"
    )


def is_channels_first(shape: Sequence[int | None]) -> bool:
    """Returns whether a shape is that of a batch with the channels first."""
    _, rows, columns, channels = shape
    return (
        rows in CHANNELS
        and columns not in CHANNELS
        and channels not in (*CHANNELS, None)
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
        return len(shape) == 4 and not is_channels_first(shape)
    return len(shape) == len(image_shape) + 1 and all(
        None in (expected, received) or expected == received
        for expected, received in zip(image_shape, shape[1:], strict=True)
    )


def _sample(images):
    size = max(int(np.prod(images.shape[1:])), 1)
    length = max(1, min(SAMPLED_IMAGES, SAMPLED_NUMBERS // size))
    if len(images) <= 3 * length:
        return keras.ops.convert_to_numpy(images)
    begins = 0, len(images) // 2, len(images) - length
    parts = (images[begin : begin + length] for begin in begins)
    return np.concatenate([keras.ops.convert_to_numpy(part) for part in parts])


def _check_range(pixels, dtype, who):
    if not pixels.size:
        raise ValueError(
            f"{who} expects images with pixels. Received shape: {pixels.shape}"
        )
    if dtype == "bfloat16":
        pixels = pixels.astype("float32")
    low, high = float(pixels.min()), float(pixels.max())
    # Resizing may overshoot by less than half a level.
    is_low, is_high = low < -0.5, high > 255.5
    advice = ""
    if not (np.isfinite(low) and np.isfinite(high)):
        advice = "images must be finite"
    elif is_low and high <= 1:
        advice = "pass (images + 1) * 127.5 where they are in [-1, 1]"
    elif is_high and dtype in ("uint16", "int32", "int64", "uint32"):
        advice = (
            "pass (images // 257).astype('uint8') where they have 16 bits, or "
            "encode stored values: encoders.with_range"
        )
    elif is_low or is_high or (low < 0 and high <= 1):
        advice = "undo the standardisation, or pass numpy.clip(images, 0, 255)"
    elif 0 < high <= 1 and (pixels != np.rint(pixels)).any():
        advice = "that is nearly black, pass images * 255"
    message = (
        f"{who} expects raw pixels in [0, 255]. Received {dtype} values from "
        f"{low:g} to {high:g}"
    )
    if advice:
        raise ValueError(f"{message}: {advice}")
    if 0 < high <= 1:
        warnings.warn(
            f"{message}, which is nearly black: pass images * 255 if 1 is "
            "white, images.astype('uint8') if it is not",
            stacklevel=4,
        )
