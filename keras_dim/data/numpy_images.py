"""Decodes and converts images with Pillow and NumPy."""

import io

import numpy as np

from keras_dim import checks
from keras_dim.data.image_header import open_image

# Luminance of red, green and blue, as in TensorFlow.
_LUMINANCE = np.array([0.2989, 0.5870, 0.1140], np.float32)


def decode(
    encoded: bytes,
    channels: int = 3,
    orient: bool = True,
    size: tuple[int, int] | None = None,
) -> np.ndarray:
    """Decodes an image file to uint8 `(height, width, 3 or 4)`.

    The first frame of an animation and the first page of a TIFF file are
    read. Samples of 16 bits are divided by 256.

    Args:
        encoded: bytes. The file, of any format that is read.
        channels: int. With 4, transparency is the last one. Otherwise it is
            left out, and the colours under it stay.
        orient: bool. Whether to turn the image as its EXIF orientation says.
        size: `(height, width)` to which the image is resized, or `None`.

    Raises:
        ValueError: if it is not a whole image, or has more than `MAX_PIXELS`
            pixels.
    """
    from PIL import Image

    mode = "RGBA" if channels == 4 else "RGB"
    try:
        header, image = open_image(io.BytesIO(encoded))
        if image.mode.startswith("I"):
            # Pillow would clip values above 255.
            high = np.asarray(image) >> 8
            image = Image.fromarray(high.astype(np.uint8))
        elif "transparency" in image.info or image.mode == "PA":
            # Otherwise Pillow warns, or blends with a background colour.
            image = image.convert("RGBA")
        image.load()
        image = image if image.mode == mode else image.convert(mode)
        if orient and header.orientation != 1:
            pixels = turned(np.asarray(image), header.orientation)
            image = Image.fromarray(pixels)
    except Exception as error:  # Damage leads Pillow to errors of any kind.
        raise ValueError(
            f"it cannot be decoded: {checks.in_one_line(error)}"
        ) from error
    return np.asarray(image if size is None else _resized(image, *size))


def turned(image: np.ndarray, orientation: int) -> np.ndarray:
    """Turns an image `(height, width, channels)` of an EXIF orientation."""
    if orientation >= 5:
        image = image.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    return image[::-1] if orientation in (3, 4, 7, 8) else image


def largest_sample(encoded: bytes) -> int:
    """Returns the largest value of a file of 16 bits, or 0 if it is damaged."""
    try:
        image = open_image(io.BytesIO(encoded))[1]
        largest = int(np.asarray(image).max())
    except Exception:  # `decode` reports the damage.
        return 0
    # Pillow keeps the upper 8 bits of colours.
    return largest if image.mode[0] == "I" else 256 * largest + 255


def check_finite(image: np.ndarray) -> None:
    """Raises a `ValueError` that counts the values that are not finite."""
    bad = image.size - np.count_nonzero(np.isfinite(image))
    if bad:
        raise ValueError(f"{bad} of its values are NaN or infinite")


def convert(image: np.ndarray, image_shape: tuple[int, int, int]) -> np.ndarray:
    """Converts an image `(height, width, channels)` to `image_shape`.

    Sizes and channels of uint8 images change as by
    `tensorflow_images.convert`, to within one grey level. Images of other
    types are resized in float32, band by band; integers are rounded.
    """
    from PIL import Image

    height, width, channels = image_shape
    if channels == 1 and image.shape[-1] == 3:
        # To [0, 1] and back by halves of a level, as in TensorFlow.
        grey = (image.astype(np.float32) / 255) @ _LUMINANCE
        image = (grey[..., None] * 255.5).astype(np.uint8)
    if image.shape[:2] != (height, width):
        # Pillow would treat a fourth channel as transparency.
        planes = [image] if image.shape[-1] == 3 else np.moveaxis(image, -1, 0)
        dtype = image.dtype
        if dtype != np.uint8:
            planes = np.moveaxis(image.astype(np.float32), -1, 0)
        planes = [Image.fromarray(np.ascontiguousarray(p)) for p in planes]
        planes = [np.asarray(_resized(p, height, width)) for p in planes]
        if dtype.kind in "iu" and dtype != np.uint8:
            planes = [np.rint(plane).astype(dtype) for plane in planes]
        image = planes[0] if planes[0].ndim == 3 else np.stack(planes, axis=-1)
    if channels == 3 and image.shape[-1] == 1:
        image = np.repeat(image, 3, axis=-1)
    return image


def _resized(image, height, width):
    if image.size == (width, height):
        return image
    from PIL import Image

    return image.resize((width, height), Image.Resampling.BILINEAR)
