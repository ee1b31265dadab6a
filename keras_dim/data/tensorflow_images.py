"""Decodes and converts images in a graph, as a SavedModel can hold it."""

import tensorflow as tf

from keras_dim.data.image_header import MAX_PIXELS

# The size of a PNG, BMP or WebP image is within them.
_HEAD = 32
_ZEROS = b"\0" * _HEAD

# A JPEG file with an EXIF block at its front, as cameras write it, down to its
# orientation. \C is any byte: others than ASCII would be letters of UTF-8.
_EXIF = (
    r"^\C\C(?:\C\C\x00\x10JFIF\C{10})?\C\C\C\CExif\x00\x00(?:"
    r"II\*\x00\x08\x00\x00\x00\C\C(?:\C{12})*?"
    r"\x12\x01\x03\x00\x01\x00\x00\x00([\x01-\x08])\x00|"
    r"MM\x00\*\x00\x00\x00\x08\C\C(?:\C{12})*?"
    r"\x01\x12\x00\x03\x00\x00\x00\x01\x00([\x01-\x08])"
    r")\C*$"
)
_EXIF_BYTES = 2048


def decode_image(encoded: tf.Tensor, channels: int = 3) -> tf.Tensor:
    """Decodes a JPEG or PNG image to the pixels that Pillow gives.

    Samples of 16 bits are divided by 256; the orientation is left alone.

    Args:
        encoded: scalar string tensor. The file.
        channels: int. 3, or 4 to keep the transparency channel.

    Returns:
        uint8 tensor `(height, width, channels)`.
    """

    def decode_jpeg():
        # TensorFlow's default transform is a little faster, and up to 22
        # levels off.
        image = tf.io.decode_jpeg(
            encoded, channels=3, dct_method="INTEGER_ACCURATE"
        )
        opaque = tf.fill(tf.shape(image[..., :1]), tf.constant(255, tf.uint8))
        return tf.concat([image, opaque], axis=-1) if channels == 4 else image

    image = tf.cond(
        _begins(_head(encoded), b"\xff\xd8\xff"),
        decode_jpeg,
        lambda: tf.io.decode_png(encoded, channels=channels),
    )
    return tf.ensure_shape(image, [None, None, channels])


def decode_request(encoded: tf.Tensor) -> tf.Tensor:
    """Decodes a file that anyone may have sent to a server, and turns it.

    It takes JPEG, PNG, still WebP and true-colour BMP files of at most
    `MAX_PIXELS` pixels. The sizes are those that TensorFlow's decoders read:
    what is larger is refused before memory is taken for it. GIF files and
    animations are refused, since TensorFlow decodes all frames at once, and
    bitmaps with a palette, since it takes their indices for grey values.

    Args:
        encoded: scalar string tensor. The file.

    Returns:
        uint8 tensor `(height, width, 3)`.

    Raises:
        InvalidArgumentError: of TensorFlow, when the graph runs.
    """
    encoded = assert_sound(encoded)
    head = _head(encoded)

    def decode_other():
        # The decoder of WebP gives three or four channels as stored.
        image = tf.io.decode_image(encoded, 0, expand_animations=False)
        return tf.ensure_shape(image, [None, None, None])[..., :3]

    is_other = tf.logical_or(_begins(head, b"RIFF"), _begins(head, b"BM"))
    image = tf.cond(is_other, decode_other, lambda: decode_image(encoded))
    image = tf.ensure_shape(image, [None, None, 3])
    return turned(image, orientation(encoded))


def orientation(encoded: tf.Tensor) -> tf.Tensor:
    """The EXIF orientation of a JPEG file, from 1 to 8; 1 of other files."""
    front = tf.strings.substr(encoded, 0, _EXIF_BYTES)
    found = tf.strings.regex_replace(front, _EXIF, r"\1\2")
    byte = tf.cast(tf.io.decode_raw(found, tf.uint8), tf.int64)
    return tf.cond(tf.size(byte) == 1, lambda: byte[0], lambda: _int64(1)[0])


def turned(image: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """Turns an image upright, given its EXIF orientation from 1 to 8."""

    def flipped(image, orientations, axis):
        return tf.cond(
            tf.reduce_any(orientation == tf.constant(orientations, tf.int64)),
            lambda: tf.reverse(image, [axis]),
            lambda: image,
        )

    image = tf.cond(
        orientation >= 5,
        lambda: tf.transpose(image, (1, 0, 2)),
        lambda: image,
    )
    return flipped(flipped(image, [2, 3, 6, 7], 1), [3, 4, 7, 8], 0)


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
    return tf.cond(tf.reduce_all(present == size), lambda: images, resized)


def assert_sound(encoded: tf.Tensor) -> tf.Tensor:
    """Fails for files that `decode_request` refuses; gives others back."""
    head = _head(encoded)
    is_jpeg = _begins(head, b"\xff\xd8\xff")
    is_png = _begins(head, b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")
    has_colors = tf.reduce_any(_little(head[28:30]) == _int64(24, 32))
    is_bmp = tf.logical_and(_begins(head, b"BM"), has_colors)
    # The second bit of byte 20 tells an animation of an extended file.
    is_animated = tf.logical_and(
        _begins(head[12:], b"VP8X"), head[20] // 2 % 2 == 1
    )
    is_webp = tf.reduce_all(
        [
            _begins(head, b"RIFF"),
            _begins(head[8:], b"WEBP"),
            tf.logical_not(is_animated),
        ]
    )
    is_image = tf.reduce_any([is_jpeg, is_png, is_bmp, is_webp])
    size = tf.case(
        [
            (is_jpeg, lambda: _jpeg_size(encoded)),
            (is_png, lambda: [_number(head[16:20]), _number(head[20:24])]),
            (is_bmp, lambda: _bmp_size(head)),
            (is_webp, lambda: _webp_size(head)),
        ],
        default=lambda: [tf.zeros((), tf.int64)] * 2,
    )
    checks = [
        _require(
            is_image,
            "A file is no image that is decoded here: GIF, animated WebP and "
            "bitmaps with a palette are not. Send JPEG, PNG, still WebP or "
            "true-colour BMP",
        ),
        _require(
            # As floats, since the product of two sides may be of 64 bits.
            tf.reduce_prod(tf.cast(size, tf.float64)) <= MAX_PIXELS,
            f"An image has more pixels than the {MAX_PIXELS:,} that are "
            "decoded. Send a smaller one. Received (width, height):",
            size,
        ),
    ]
    with tf.control_dependencies(checks):
        return tf.identity(encoded)


def _require(condition, message, *values):
    check = tf.debugging.Assert(condition, [message, *values])
    # Where TensorFlow is eager, and all is well, there is no operation.
    return tf.no_op() if check is None else check


def _int64(*values):
    return tf.constant(values, tf.int64)


def _head(encoded):
    """The first bytes as numbers, followed by zeros in a file that is short."""
    padded = tf.strings.join([tf.strings.substr(encoded, 0, _HEAD), _ZEROS])
    head = tf.io.decode_raw(tf.strings.substr(padded, 0, _HEAD), tf.uint8)
    return tf.cast(tf.ensure_shape(head, [_HEAD]), tf.int64)


def _begins(head, magic):
    return tf.reduce_all(tf.equal(head[: len(magic)], list(magic)))


def _number(part):
    """An unsigned number of some bytes, the highest one first."""
    weights = [256**place for place in reversed(range(part.shape[0]))]
    return tf.reduce_sum(part * tf.constant(weights, tf.int64))


def _little(part):
    return _number(part[::-1])


def _jpeg_size(encoded):
    # The very reader that decodes it. Other headers are before the size.
    shape = tf.io.extract_jpeg_shape(encoded, tf.int64)
    return [shape[1], shape[0]]


def _bmp_size(head):
    # TensorFlow takes the sides from these bytes whatever the header's kind.
    # Above 2 ** 31 they are negative: rows from the top down.
    sides = [_little(head[18:22]), _little(head[22:26])]
    return [tf.minimum(side, 2**32 - side) for side in sides]


def _webp_size(head):
    # Of the three kinds of the format, at most one has its name here.
    kind = head[12:16]
    extended = [1 + _little(head[24:27]), 1 + _little(head[27:30])]
    bits = _little(head[21:25])
    lossless = [1 + bits % 2**14, 1 + bits // 2**14 % 2**14]
    lossy = [_little(head[26:28]) % 2**14, _little(head[28:30]) % 2**14]
    return tf.case(
        [
            (_begins(kind, b"VP8X"), lambda: extended),
            (_begins(kind, b"VP8L"), lambda: lossless),
        ],
        default=lambda: lossy,
    )
