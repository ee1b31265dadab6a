"""Encoded bytes to pixels, by what the bytes are, not by the file's name."""

import functools
from collections.abc import Callable
from collections.abc import Collection

import numpy as np
import tensorflow as tf

from keras_dim.data import numpy_images
from keras_dim.data.conversion import convert
from keras_dim.data.image_header import IMAGE_KINDS
from keras_dim.data.image_header import is_sound

# Images that are decoded in one go, and how many such chunks at once.
# Constants: the number of threads decides the speed only, never the order.
_CHUNK = 16
_PARALLEL_CHUNKS = 16


def decode_image(
    encoded: tf.Tensor,
    channels: int = 3,
    kinds: Collection[str] = IMAGE_KINDS,
    uses_pillow: bool = True,
) -> tf.Tensor:
    """Decodes a JPEG, PNG, GIF, BMP or WebP image.

    Of an animation the first frame is taken, 16-bit images are cut to 8
    bits, orientation tags are left alone.

    Args:
        encoded: scalar string tensor.
        channels: int. 3, or 4 to keep the transparency channel.
        kinds: collection of str. The formats that may come, where that is
            known: not to ask each image costs less.
        uses_pillow: bool. Whether Pillow decodes what TensorFlow gets wrong,
            GIF, animated WebP and bitmaps with a palette. A SavedModel cannot
            hold it: with `False` they are an error. Defaults to `True`.

    Returns:
        uint8 tensor `(height, width, channels)`.
    """
    other = _decode_with_pillow if uses_pillow else _refuse

    def decode():
        return tf.io.decode_image(
            encoded, channels=channels, expand_animations=False
        )

    def decode_bmp():
        return tf.cond(
            _has_palette(encoded),
            lambda: other(encoded, channels),
            decode,
        )

    image = decode_bmp if "bmp" in kinds else decode
    if "webp" in kinds:
        image = _either(
            _is_webp,
            encoded,
            functools.partial(_decode_webp, decode_other=other),
            channels,
            image,
        )
    if "gif" in kinds:
        # TensorFlow decodes all frames, in the memory of all of them, to give
        # the first.
        image = _either(_is_gif, encoded, other, channels, image)
    return tf.ensure_shape(image(), [None, None, channels])


def decoded_images(
    records: tf.data.Dataset,
    read: Callable,
    image_shape: tuple[int, int, int],
    *,
    resize: bool,
    decode_channels: int = 3,
    kinds: Collection[str] = IMAGE_KINDS,
    on_error: Callable[[int], None] | None = None,
) -> tf.data.Dataset:
    """Decodes a dataset of encoded images, in its order.

    Args:
        records: dataset of dicts with `"index"`, perhaps `"label"`, and what
            `read` needs.
        read: function of a record that returns its encoded image.
        image_shape: tuple. `(height, width, channels)` to be delivered.
        resize: bool. Whether images may have another size.
        decode_channels: int. 3, or 4 to keep the transparency channel. Grey
            images are decoded as colour, from which luminance gives the
            very values back.
        kinds: collection of str. The formats that may come.
        on_error: function of an index, or `None`. Called for every image
            that cannot be decoded, or whose header says that it is too large
            to be, which is then left out. With `None` such an image is an
            error, and is only as large as TensorFlow allows.

    Returns:
        A dataset of dicts `"image"`, `"index"` and perhaps `"label"`.
    """

    def decode(record, encoded):
        image = decode_image(encoded, decode_channels, kinds)
        return {"image": convert(image, image_shape, resize), **_tags(record)}

    if on_error is None:
        return records.map(
            lambda record: decode(record, read(record)),
            num_parallel_calls=tf.data.AUTOTUNE,
        )
    return _skip_errors(records, read, decode, image_shape, on_error)


def _tags(record):
    return {key: record[key] for key in ("index", "label") if key in record}


def _skip_errors(records, read, decode, image_shape, on_error):
    """Maps `decode` over records; the ones that fail are reported and left.

    A map has no `except`, and `ignore_errors` forgets which element failed.
    So records go in chunks, each a small dataset: first the chunk decoded as
    a whole, then, if that fails, decoded one by one. The first of these that
    works is taken.
    """
    chunks = records.batch(_CHUNK).interleave(
        lambda chunk: _whole_or_each(chunk, read, decode, image_shape),
        cycle_length=_PARALLEL_CHUNKS,
        block_length=1,
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    )

    def report(indices):
        for index in indices:
            on_error(int(index))
        return len(indices)

    def drop(images, works):
        failed = tf.boolean_mask(images["index"], tf.logical_not(works))
        tf.numpy_function(report, [failed], tf.int64)
        return {
            key: tf.boolean_mask(values, works)
            for key, values in images.items()
        }

    def keep_whole(images, works):
        return tf.cond(
            tf.reduce_all(works), lambda: images, lambda: drop(images, works)
        )

    return chunks.map(keep_whole).unbatch()


def _whole_or_each(chunk, read, decode, image_shape):
    """A dataset of one element: the chunk's images, and which are whole."""
    image = tf.TensorSpec(image_shape, tf.uint8)
    number = tf.TensorSpec([], tf.int64)
    signature = {"image": image, **dict.fromkeys(_tags(chunk), number)}

    def decode_whole(chunk):
        encoded = tf.map_fn(read, chunk, fn_output_signature=tf.string)
        # All at once: to leave TensorFlow for each would take its time.
        with tf.control_dependencies([_assert_sound(encoded)]):
            images = tf.map_fn(
                lambda both: decode(*both),
                (chunk, encoded),
                fn_output_signature=signature,
            )
        return images, tf.ones_like(chunk["index"], tf.bool)

    def decode_one(record):
        encoded = read(record)
        with tf.control_dependencies([_assert_sound(encoded[None])]):
            return decode(record, tf.identity(encoded)), True

    def image_or_blank(record):
        record = tf.data.Dataset.from_tensors(record)
        image = record.map(decode_one).ignore_errors()
        blank = tf.zeros(image_shape, tf.uint8)
        failed = record.map(lambda one: ({"image": blank, **_tags(one)}, False))
        return image.concatenate(failed).take(1)

    whole = tf.data.Dataset.from_tensors(chunk).map(decode_whole)
    each = tf.data.Dataset.from_tensor_slices(chunk).flat_map(image_or_blank)
    return whole.ignore_errors().concatenate(each.batch(_CHUNK)).take(1)


def _assert_sound(encoded):
    """Fails for headers that cannot be read, or are of images too large."""
    sound = tf.numpy_function(
        lambda encoded: np.all([is_sound(one) for one in encoded]),
        [encoded],
        tf.bool,
        stateful=False,
    )
    return tf.debugging.Assert(sound, ["An image's header is not sound."])


def _either(condition, encoded, function, channels, otherwise):
    """Returns a function that decodes by one of two."""
    return lambda: tf.cond(
        condition(encoded), lambda: function(encoded, channels), otherwise
    )


def _is_gif(encoded):
    head = tf.strings.substr(encoded, 0, 6)
    return tf.strings.regex_full_match(head, "GIF8[79]a")


def _is_webp(encoded):
    head = tf.strings.substr(encoded, 0, 12)
    # \C is any byte; a dot would be a letter of UTF-8.
    return tf.strings.regex_full_match(head, r"RIFF\C{4}WEBP")


def _decode_webp(encoded, channels, decode_other):
    if not hasattr(tf.io, "decode_webp"):
        return decode_other(encoded, channels)
    return tf.cond(
        _is_animated(encoded),
        lambda: decode_other(encoded, channels),
        lambda: _decode_still_webp(encoded, channels),
    )


def _is_animated(encoded):
    # TensorFlow 2.21 mixes up the channels of opaque animations. The second
    # bit of byte 20 tells an animation; the two highest bits are never set.
    flags = "".join(rf"\x{flag:02x}" for flag in range(64) if flag & 2)
    head = tf.strings.substr(encoded, 0, 21)
    return tf.strings.regex_full_match(
        head, rf"RIFF\C{{4}}WEBPVP8X\C{{4}}[{flags}]"
    )


def _decode_still_webp(encoded, channels):
    # The decoder gives three or four channels as stored, never others.
    image = tf.io.decode_image(encoded, channels=0, expand_animations=False)
    image = tf.ensure_shape(image, [None, None, None])
    opaque = tf.fill(tf.shape(image[..., :1]), tf.constant(255, tf.uint8))
    image = tf.concat([image, opaque], axis=-1)
    return image[..., :channels]


def _has_palette(encoded):
    # TensorFlow takes the palette's indices of a BMP for grey values. The
    # bits of a pixel are in bytes 28 and 29; 24 and 32 are true colour.
    head = tf.strings.substr(encoded, 0, 30)
    is_bmp = tf.strings.regex_full_match(head, r"BM\C{28}")
    true_color = tf.strings.regex_full_match(head, r"\C{28}[\x18\x20]\x00")
    return tf.logical_and(is_bmp, tf.logical_not(true_color))


def _decode_with_pillow(encoded, channels):
    return tf.numpy_function(
        lambda data: numpy_images.decode(data, channels), [encoded], tf.uint8
    )


def _refuse(encoded, channels):
    refusal = tf.debugging.Assert(
        False,
        [
            "GIF, animated WebP and bitmaps with a palette are not decoded "
            "here. "
            "Send JPEG, PNG or still WebP"
        ],
    )
    with tf.control_dependencies([refusal] if refusal is not None else []):
        return tf.zeros((1, 1, channels), tf.uint8)
