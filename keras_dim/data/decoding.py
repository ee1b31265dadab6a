"""Decodes images within a `tf.data` pipeline, by Pillow."""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from keras_dim.data.order import Order
from keras_dim.data.order import ordered_indices
from keras_dim.data.source import Source


def decoded_images(
    records: tf.data.Dataset,
    key: str,
    decode: Callable[[Any], np.ndarray | None],
    image_shape: tuple[int, int, int],
    on_error: Callable[[int], None],
) -> tf.data.Dataset:
    """Decodes a dataset of records, in its order.

    Pillow decodes and resizes, outside the graph and in parallel: it takes
    less time than TensorFlow, which resizes in floating point, knows more
    formats, and gives the pixels that other backends see.

    Args:
        records: dataset of dicts with `"index"` and perhaps `"label"`.
        key: str. The entry of a record that `decode` takes.
        decode: function that returns an image, or `None` where it is damaged.
        image_shape: tuple. `(height, width, channels)` of what it returns.
        on_error: function of an index. Called for every damaged image, which
            is then left out.

    Returns:
        A dataset of dicts `"image"`, `"index"` and perhaps `"label"`.
    """

    def decode_or_blank(value):
        image = decode(value)
        if image is None:
            return np.zeros(image_shape, np.uint8), False
        return image, True

    def with_image(record):
        image, is_whole = tf.numpy_function(
            decode_or_blank, [record[key]], (tf.uint8, tf.bool), stateful=False
        )
        tags = {name: record[name] for name in record if name != key}
        image = tf.ensure_shape(image, image_shape)
        return {**tags, "index": record["index"], "image": image}, is_whole

    def report(index):
        on_error(int(index))
        return False

    def is_kept(images, is_whole):
        return tf.cond(
            is_whole,
            lambda: True,
            lambda: tf.ensure_shape(
                tf.numpy_function(report, [images["index"]], tf.bool), []
            ),
        )

    images = records.map(with_image, num_parallel_calls=tf.data.AUTOTUNE)
    return images.filter(is_kept).map(lambda images, is_whole: images)


def batches_of_rows(
    source: Source, order: Order, batch_size: int, drop_remainder: bool
) -> tf.data.Dataset:
    """The batches of a source with random access: see `Source.batches`."""

    def record(row):
        if not source.has_labels:
            return {"index": row}
        return {"index": row, "label": tf.gather(source.labels, row)}

    def read(rows):
        # Outside the graph: an array within it would be copied, and could
        # not be larger than the graph's limit of 2 GB.
        images, indices = tf.numpy_function(
            lambda rows: [source.read(rows)[key] for key in ("image", "index")],
            [rows],
            (tf.uint8, tf.int64),
        )
        batch = {
            "image": tf.ensure_shape(
                images, [*rows.shape, *source.image_shape]
            ),
            "index": tf.ensure_shape(indices, rows.shape),
        }
        if source.has_labels:
            batch["label"] = tf.gather(source.labels, rows)
        return batch

    rows = tf.data.Dataset.from_tensor_slices(
        ordered_indices(order, source.num_images)
    )
    if source.decoded:
        rows = rows.batch(batch_size, drop_remainder)
        return rows.map(read, num_parallel_calls=tf.data.AUTOTUNE)
    images = decoded_images(
        rows.map(record),
        "index",
        source.image,
        source.image_shape,
        source.report,
    )
    return images.batch(batch_size, drop_remainder)
