"""Files and pixels by Pillow and NumPy, where TensorFlow does not do it."""

import io

import numpy as np

from keras_dim.data.image_header import read_header

# Of all that Pillow reads, what a folder of images may hold.
_FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP")
# Luminance of red, green and blue, as TensorFlow weighs them.
_LUMINANCE = np.array([0.2989, 0.5870, 0.1140], np.float32)


def decode(encoded: bytes, channels: int = 3) -> np.ndarray:
    """Decodes a JPEG, PNG, GIF, BMP or WebP image, as `decode_image` does.

    Args:
        encoded: bytes. The file.
        channels: int. 3, or 4 to keep the transparency channel.

    Returns:
        uint8 array `(height, width, channels)`.

    Raises:
        ValueError: if it is not a whole image, or has more than `MAX_PIXELS`
            pixels.
    """
    from PIL import Image

    mode = "RGB" if channels == 3 else "RGBA"
    try:
        read_header(io.BytesIO(encoded))
        with Image.open(io.BytesIO(encoded), formats=_FORMATS) as image:
            if image.mode.startswith("I"):
                # 16 bits, which are cut to 8: Pillow would clip them.
                high = np.asarray(image) >> 8
                return np.asarray(
                    Image.fromarray(high.astype(np.uint8)).convert(mode)
                )
            if "transparency" in image.info:
                # A transparent colour is cut off, not warned of.
                return np.asarray(image.convert("RGBA").convert(mode))
            return np.asarray(image.convert(mode))
    except Exception as error:
        # Whatever the damage leads Pillow to.
        raise ValueError(f"it cannot be decoded: {error}") from error


def convert(
    image: np.ndarray, image_shape: tuple[int, int, int], resize: bool
) -> np.ndarray:
    """Turns one image into `image_shape`, as `conversion.convert` does.

    Sizes change by Pillow's bilinear filter, which is TensorFlow's with
    antialiasing, to within one grey level.

    Args:
        image: uint8 array `(height, width, channels)`.
        image_shape: tuple. `(height, width, channels)`.
        resize: bool. Whether the size may change. Otherwise another size is
            an error.

    Raises:
        ValueError: for another size, if `resize` is not set.
    """
    height, width, channels = image_shape
    if channels == 1 and image.shape[-1] == 3:
        image = _luminance(image)
    if image.shape[:2] != (height, width):
        if not resize:
            raise ValueError(
                f"Expected an image of {height}x{width} pixels. Received: "
                f"{image.shape[0]}x{image.shape[1]}"
            )
        image = _resized(image, height, width)
    if channels == 3 and image.shape[-1] == 1:
        image = np.repeat(image, 3, axis=-1)
    return image


def _luminance(image):
    # To [0, 1] and back by halves of a level, as TensorFlow does it.
    grey = (image.astype(np.float32) / 255) @ _LUMINANCE
    return (grey[..., None] * 255.5).astype(np.uint8)


def _resized(image, height, width):
    from PIL import Image

    # Pillow takes other numbers of channels for transparency, or not at all.
    parts = [image] if image.shape[-1] == 3 else np.moveaxis(image, -1, 0)
    resized = [
        np.asarray(
            Image.fromarray(np.ascontiguousarray(part)).resize(
                (width, height), Image.Resampling.BILINEAR
            )
        )
        for part in parts
    ]
    return resized[0] if image.shape[-1] == 3 else np.stack(resized, axis=-1)
