"""The header of an image file, as operations that a SavedModel can hold."""

import tensorflow as tf

from keras_dim.data.image_header import MAX_PIXELS

# The size of a PNG, BMP or WebP image is within them.
_HEAD = 32
_ZEROS = b"\0" * _HEAD


def assert_sound(encoded: tf.Tensor) -> tf.Tensor:
    """Fails for what is no image, or by its header too large to be decoded.

    It reads the sizes that TensorFlow's decoders take: what passes here has
    at most `MAX_PIXELS` pixels, or is damaged. GIF is refused, since
    TensorFlow decodes all frames at once.

    Args:
        encoded: scalar string tensor. The file.

    Returns:
        The same tensor. What decodes it comes after the check.

    Raises:
        InvalidArgumentError: of TensorFlow, when the graph runs.
    """
    head = _head(encoded)
    is_jpeg = _begins(head, b"\xff\xd8\xff")
    is_png = _begins(head, b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")
    is_bmp = _begins(head, b"BM")
    is_webp = tf.logical_and(_begins(head, b"RIFF"), _begins(head[8:], b"WEBP"))
    is_image = tf.reduce_any([is_jpeg, is_png, is_bmp, is_webp])
    size = tf.case(
        [
            (is_jpeg, lambda: _jpeg(encoded)),
            (is_png, lambda: [_number(head[16:20]), _number(head[20:24])]),
            (is_bmp, lambda: _bmp(head)),
            (is_webp, lambda: _webp(head)),
        ],
        default=lambda: [tf.zeros((), tf.int64)] * 2,
    )
    checks = [
        _require(
            is_image,
            "A file is no image that is decoded here. Send JPEG, PNG, still "
            "WebP or BMP",
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


def _jpeg(encoded):
    # The very reader that decodes it. Other headers are before the size.
    shape = tf.io.extract_jpeg_shape(encoded, tf.int64)
    return [shape[1], shape[0]]


def _bmp(head):
    # TensorFlow takes the sides from these bytes whatever the header's kind.
    # Above 2 ** 31 they are negative: rows from the top down.
    sides = [_little(head[18:22]), _little(head[22:26])]
    return [tf.minimum(side, 2**32 - side) for side in sides]


def _webp(head):
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
