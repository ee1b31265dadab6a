"""Decodes and converts images in a TensorFlow graph, for SavedModels."""

import numpy as np
import tensorflow as tf

from keras_dim.data.image_header import MAX_PIXELS

# The size of a PNG, BMP or WebP image is within the first 32 bytes.
_HEAD = 32

# A JPEG file down to the orientation in an EXIF block. \C is any byte; RE2
# would read escapes of bytes beyond ASCII as letters of UTF-8.
_EXIF = (
    r"^\C*?Exif\x00\x00(?:"
    r"II\*\x00\x08\x00\x00\x00\C\C(?:\C{12})*?"
    r"\x12\x01\x03\x00\x01\x00\x00\x00([\x01-\x08])\x00|"
    r"MM\x00\*\x00\x00\x00\x08\C\C(?:\C{12})*?"
    r"\x01\x12\x00\x03\x00\x00\x00\x01\x00([\x01-\x08])"
    r")\C*$"
)
_EXIF_BYTES = 2048


def decode_request(encoded: tf.Tensor) -> tf.Tensor:
    """Decodes an untrusted image file, such as one sent to a server.

    GIF files and animations are refused, since TensorFlow decodes all frames
    at once, and bitmaps with a palette, since it reads their indices as grey
    values. Samples of 16 bits are divided by 256.

    Args:
        encoded: scalar string tensor. A JPEG, PNG, still WebP or true-colour
            BMP file of at most `MAX_PIXELS` pixels.

    Returns:
        uint8 tensor `(height, width, 3)`, the pixels that Pillow gives. JPEG
        files with an EXIF block at their front are turned as it says.

    Raises:
        tf.errors.InvalidArgumentError: for other files, before memory is
            taken for their pixels.
    """
    encoded = assert_sound(encoded)
    head = _head(encoded)
    is_jpeg = _begins(head, b"\xff\xd8\xff")

    def decode_jpeg():
        # TensorFlow's default transform is up to 22 levels off.
        return tf.io.decode_jpeg(encoded, 3, dct_method="INTEGER_ACCURATE")

    def decode_other():
        # The decoder of WebP returns three or four channels as stored.
        image = tf.io.decode_image(encoded, 0, expand_animations=False)
        return tf.ensure_shape(image, [None, None, None])[..., :3]

    image = tf.case(
        [
            (is_jpeg, decode_jpeg),
            (_begins(head, b"\x89PNG"), lambda: tf.io.decode_png(encoded, 3)),
        ],
        default=decode_other,
    )
    image = tf.ensure_shape(image, [None, None, 3])
    return tf.cond(
        is_jpeg, lambda: turned(image, orientation(encoded)), lambda: image
    )


def decode_deep_png(encoded: bytes) -> np.ndarray:
    """Decodes a PNG file of 16 bits to uint16 `(height, width, 3)`.

    Pillow would keep only the upper 8 bits. Transparency is left out.
    """
    return tf.io.decode_png(encoded, 3, tf.uint16).numpy()


def orientation(encoded: tf.Tensor) -> tf.Tensor:
    """Returns the EXIF orientation of a JPEG file, from 1 to 8."""
    front = tf.strings.substr(encoded, 0, _EXIF_BYTES)
    found = tf.strings.regex_replace(front, _EXIF, r"\1\2")
    byte = tf.cast(tf.io.decode_raw(found, tf.uint8), tf.int64)
    # Without a match the result is the file itself.
    upright = tf.constant(1, tf.int64)
    return tf.cond(tf.size(byte) == 1, lambda: byte[0], lambda: upright)


def turned(image: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """Turns an image `(height, width, channels)` of an EXIF orientation."""

    def turn(step, orientations, image):
        is_due = tf.reduce_any(orientation == orientations)
        return tf.cond(is_due, lambda: step(image), lambda: image)

    image = turn(tf.image.transpose, (5, 6, 7, 8), image)
    image = turn(tf.image.flip_left_right, (2, 3, 6, 7), image)
    return turn(tf.image.flip_up_down, (3, 4, 7, 8), image)


def convert(images: tf.Tensor, image_shape: tuple[int, int, int]) -> tf.Tensor:
    """Converts images `(..., height, width, channels)` to `image_shape`.

    Colour becomes grey by luminance, grey becomes colour by repetition, and
    sizes change by bilinear interpolation with antialiasing. The number of
    channels must be static.
    """
    size, channels = tuple(image_shape[:2]), image_shape[2]
    if channels == 1 and images.shape[-1] == 3:
        images = tf.image.rgb_to_grayscale(images)

    def resized():
        pixels = tf.image.resize(images, size, "bilinear", antialias=True)
        dtype = tf.as_dtype(images.dtype)
        if dtype.is_floating:
            return pixels
        return tf.saturate_cast(tf.round(pixels), dtype)

    if tuple(images.shape[-3:-1]) != size:
        has_size = tf.reduce_all(tf.shape(images)[-3:-1] == size)
        images = tf.cond(has_size, lambda: images, resized)
    if channels == 3 and images.shape[-1] == 1:
        images = tf.image.grayscale_to_rgb(images)
    batch = [None] * (len(images.shape) - 3)
    return tf.ensure_shape(images, [*batch, *image_shape])


def assert_sound(encoded: tf.Tensor) -> tf.Tensor:
    """Returns `encoded`; raises for headers that `decode_request` refuses."""
    head = _head(encoded)
    is_jpeg = _begins(head, b"\xff\xd8\xff")
    is_png = _begins(head, b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")
    has_colors = tf.reduce_any(_number(head[28:30]) == (24, 32))
    is_bmp = _begins(head, b"BM") & has_colors
    is_extended, is_lossless, is_lossy = (
        _begins(head, b"RIFF") & _begins(head[8:], b"WEBPVP8" + letter)
        for letter in (b"X", b"L", b" ")
    )
    # The second bit of byte 20 marks an animation.
    is_extended &= head[20] // 2 % 2 == 0
    bits = _number(head[21:25])
    # Whether the file is of a kind, and the width and height of that kind.
    kinds = [
        (is_png, _number(head[19:15:-1]), _number(head[23:19:-1])),
        (is_bmp, _number(head[18:22]), _number(head[22:26])),
        (is_extended, 1 + _number(head[24:27]), 1 + _number(head[27:30])),
        (is_lossless, 1 + bits % 2**14, 1 + bits // 2**14 % 2**14),
        (is_lossy, *(_number(head[i : i + 2]) % 2**14 for i in (26, 28))),
    ]
    size = sum(tf.where(is_kind, sides, 0) for is_kind, *sides in kinds)
    # TensorFlow reads the sides of any BMP from these bytes. They are negative
    # where rows run from the top down.
    size = tf.where(is_bmp, tf.minimum(size, 2**32 - size), size)
    # In a JPEG file other headers come before the size.
    size = tf.cond(
        is_jpeg,
        lambda: tf.io.extract_jpeg_shape(encoded, tf.int64)[1::-1],
        lambda: size,
    )
    is_image = tf.reduce_any([is_jpeg, *(is_kind for is_kind, *_ in kinds)])
    # As floats, since the product of two sides may overflow int64.
    is_small = tf.reduce_prod(tf.cast(size, tf.float64)) <= MAX_PIXELS
    checks = [
        tf.debugging.Assert(
            is_image,
            [
                "The file is not decoded: it is no image, or a GIF, an "
                "animated WebP or a bitmap with a palette. Send JPEG, PNG, "
                "still WebP or true-colour BMP"
            ],
        ),
        tf.debugging.Assert(
            is_small,
            [
                f"The image has more pixels than the {MAX_PIXELS:,} that are "
                "decoded. Send a smaller one. Received (width, height):",
                size,
            ],
        ),
    ]
    # In eager mode an assertion that holds is `None`.
    with tf.control_dependencies([one for one in checks if one is not None]):
        return tf.identity(encoded)


def _head(encoded):
    """Returns the first 32 bytes as int64, with zeros after a short file."""
    head = tf.strings.join(
        [tf.strings.substr(encoded, 0, _HEAD), b"\0" * _HEAD]
    )
    head = tf.io.decode_raw(tf.strings.substr(head, 0, _HEAD), tf.uint8)
    return tf.cast(tf.ensure_shape(head, [_HEAD]), tf.int64)


def _begins(head, magic):
    return tf.reduce_all(tf.equal(head[: len(magic)], list(magic)))


def _number(part):
    """Returns the unsigned number of some bytes, in little-endian order."""
    weights = [256**place for place in range(part.shape[0])]
    return tf.reduce_sum(part * tf.constant(weights, tf.int64))
