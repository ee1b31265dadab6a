"""Encoded images to pixels, as a step of a `tf.data` pipeline."""

import io
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from keras_dim.data import numpy_images
from keras_dim.data import tensorflow_images
from keras_dim.data.image_header import read_header

# Images that are decoded in one go, and how many such chunks at once.
# Constants: the number of threads decides the speed only, never the order.
_CHUNK = 16
_PARALLEL_CHUNKS = 16

# The formats of which TensorFlow gives Pillow's pixels. It takes the indices
# of a palette in a BMP for grey values, all frames of a GIF into memory, and
# an animated WebP for its own memory (TensorFlow 2.21 ends with it).
_BY_TENSORFLOW = ("jpeg", "png")
_BY_PILLOW, _IN_GRAPH, _DAMAGED = range(3)


def decoded_images(
    records: tf.data.Dataset,
    read: Callable,
    image_shape: tuple[int, int, int],
    *,
    resize: bool,
    on_error: Callable[[int], None],
    orient: bool = True,
) -> tf.data.Dataset:
    """Decodes a dataset of encoded images, in its order.

    JPEG and PNG images that are upright are decoded in the graph, others by
    Pillow, which gives the same pixels. A map has no `except`, and `ignore_errors` forgets
    which element failed: so records go in chunks, each a small dataset, first
    the chunk decoded in one go, then, if that fails, one image after the
    other by Pillow. The first of the two that works is taken.

    Args:
        records: dataset of dicts with `"index"`, perhaps `"label"`, and what
            `read` needs.
        read: function of a record that returns its encoded image.
        image_shape: tuple. `(height, width, channels)` to be delivered.
        resize: bool. Whether images may have another size.
        on_error: function of an index. Called for every image that cannot be
            decoded, or is too large to be, which is then left out.
        orient: bool. Whether to turn images as their EXIF orientation says.
            Defaults to `True`.

    Returns:
        A dataset of dicts `"image"`, `"index"` and perhaps `"label"`.
    """

    def plan(encoded):
        return np.array([_plan_of(one, orient) for one in encoded], np.int64)

    def decode(encoded, plan):
        image = tf.cond(
            plan == _BY_PILLOW,
            lambda: _assert_whole(_decode_by_pillow(encoded, orient)),
            lambda: tensorflow_images.decode_image(encoded),
        )
        return tensorflow_images.convert(image, image_shape, resize)

    def decode_chunk(chunk):
        encoded = tf.map_fn(read, chunk, fn_output_signature=tf.string)
        # All at once: to leave TensorFlow for each would take its time.
        plans = tf.numpy_function(plan, [encoded], tf.int64, stateful=False)
        sound = tf.debugging.Assert(
            tf.reduce_all(plans != _DAMAGED), ["A header is damaged."]
        )
        with tf.control_dependencies([sound]):
            images = tf.map_fn(
                lambda both: decode(*both),
                (encoded, tf.ensure_shape(plans, [None])),
                fn_output_signature=tf.TensorSpec(image_shape, tf.uint8),
            )
        return images, tf.ones_like(chunk["index"], tf.bool)

    def decode_each(record):
        image = _decode_by_pillow(read(record), orient)
        size = tf.shape(image)[:2]
        is_whole = tf.reduce_all(
            size > 0 if resize else size == image_shape[:2]
        )
        image = tf.cond(
            is_whole,
            lambda: tensorflow_images.convert(image, image_shape, resize),
            lambda: tf.zeros(image_shape, tf.uint8),
        )
        return image, is_whole

    def images_of(chunk):
        """One element: the chunk's images, and which are whole."""
        chunks = tf.data.Dataset.from_tensors(chunk)
        at_once = chunks.map(decode_chunk).ignore_errors()
        each = tf.data.Dataset.from_tensor_slices(chunk).map(decode_each)
        images = at_once.concatenate(each.batch(_CHUNK)).take(1)
        tags = {key: chunk[key] for key in ("index", "label") if key in chunk}
        return images.map(
            lambda images, whole: ({"image": images, **tags}, whole)
        )

    def report(indices):
        for index in indices:
            on_error(int(index))
        return len(indices)

    def drop(images, whole):
        failed = tf.boolean_mask(images["index"], tf.logical_not(whole))
        tf.numpy_function(report, [failed], tf.int64)
        return {
            key: tf.boolean_mask(values, whole)
            for key, values in images.items()
        }

    def keep_whole(images, whole):
        return tf.cond(
            tf.reduce_all(whole), lambda: images, lambda: drop(images, whole)
        )

    chunks = records.batch(_CHUNK).interleave(
        images_of,
        cycle_length=_PARALLEL_CHUNKS,
        block_length=1,
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    )
    return chunks.map(keep_whole).unbatch()


def _plan_of(encoded, orient):
    """Which decoder an image takes."""
    try:
        header = read_header(io.BytesIO(encoded))
    except ValueError:
        return _DAMAGED
    is_upright = header.orientation == 1 or not orient
    is_same = header.kind in _BY_TENSORFLOW and is_upright
    return _IN_GRAPH if is_same else _BY_PILLOW


def _decode_by_pillow(encoded, orient):
    """The image, or one without pixels where it is damaged."""

    def decode(encoded):
        try:
            return numpy_images.decode(encoded, orient=orient)
        except ValueError:
            return np.zeros((0, 0, 3), np.uint8)

    image = tf.numpy_function(decode, [encoded], tf.uint8, stateful=False)
    return tf.ensure_shape(image, [None, None, 3])


def _assert_whole(image):
    whole = tf.debugging.Assert(tf.size(image) > 0, ["An image is damaged."])
    with tf.control_dependencies([whole]):
        return tf.identity(image)
