"""Decodes and converts images with Pillow and NumPy, without TensorFlow."""

import io

import numpy as np

from keras_dim.data.image_header import in_one_line
from keras_dim.data.image_header import open_image

# Luminance of red, green and blue, as TensorFlow weighs them.
_LUMINANCE = np.array([0.2989, 0.5870, 0.1140], np.float32)

# How Pillow turns an image upright, by its EXIF orientation: members of
# `Image.Transpose`, which is not imported until it is needed.
_TURNS = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}


def decode(
    encoded: bytes, channels: int = 3, orient: bool = True
) -> np.ndarray:
    """Decodes an image of any format that is read.

    Of an animation the first frame is taken, of a TIFF file the first page.
    Samples of 16 bits are divided by 256. Transparency is cut off: the
    colours under it stay.

    Args:
        encoded: bytes. The file.
        channels: int. 3, or 4 to keep the transparency channel.
        orient: bool. Whether to turn the image as its EXIF orientation says.

    Returns:
        uint8 array `(height, width, channels)`.

    Raises:
        ValueError: if it is not a whole image, or has more than `MAX_PIXELS`
            pixels.
    """
    return np.asarray(
        _load(encoded, "RGB" if channels == 3 else "RGBA", orient)
    )


def decode_as(
    encoded: bytes,
    image_shape: tuple[int, int, int],
    resize: bool,
    orient: bool = True,
) -> np.ndarray:
    """Decodes an image to `image_shape`: `decode` and `convert` in one.

    Pillow resizes colours before they are copied into an array, which for
    large photographs takes less time.

    Args:
        encoded: bytes. The file.
        image_shape: tuple. `(height, width, channels)`.
        resize: bool. As of `convert`.
        orient: bool. As of `decode`.

    Raises:
        ValueError: as `decode` and `convert` do.
    """
    from PIL import Image

    image = _load(encoded, "RGB", orient)
    height, width, channels = image_shape
    if resize and channels == 3 and image.size != (width, height):
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    return convert(np.asarray(image), image_shape, resize)


def _load(encoded, mode, orient):
    from PIL import Image

    try:
        header, image = open_image(io.BytesIO(encoded))
        if image.mode.startswith("I"):
            # Pillow would clip what is above 255.
            high = np.asarray(image) >> 8
            image = Image.fromarray(high.astype(np.uint8))
        elif "transparency" in image.info or image.mode == "PA":
            # Else Pillow warns, or mixes in a background.
            image = image.convert("RGBA")
        image.load()
        image = image if image.mode == mode else image.convert(mode)
        if orient and header.orientation != 1:
            image = image.transpose(_TURNS[header.orientation])
        return image
    except Exception as error:  # Whatever the damage leads Pillow to.
        raise ValueError(
            f"it cannot be decoded: {in_one_line(error)}"
        ) from error


def largest_sample(encoded: bytes) -> int:
    """The largest value of an image of 16 bits; 0 if it is damaged.

    Of colours Pillow keeps the upper 8 bits: theirs is the most it may be.
    """
    try:
        _, image = open_image(io.BytesIO(encoded))
        with image:
            largest = int(np.asarray(image).max())
            return largest if image.mode[0] == "I" else 256 * largest + 255
    except Exception:  # Decoding it reports the damage.
        return 0


def convert(
    image: np.ndarray, image_shape: tuple[int, int, int], resize: bool
) -> np.ndarray:
    """Turns one image into `image_shape`, as `tensorflow_images.convert` does.

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
