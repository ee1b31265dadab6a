"""Batches in a reproducible order as a `tf.data.Dataset`."""

from collections.abc import Iterator

import tensorflow as tf

from keras_dim import distribution
from keras_dim.data.reading import batches
from keras_dim.data.source import Source


def tensorflow_batches(
    source: Source,
    seeds: Iterator[int | None],
    batch_size: int,
    drop_remainder: bool,
    numbers: range,
    shard: tuple[int, int],
) -> tf.data.Dataset:
    """Returns a dataset of which each iteration is the next seed's epoch."""

    def epoch():
        try:
            yield from batches(
                source,
                batch_size,
                None,
                next(seeds),
                drop_remainder,
                numbers,
                shard,
            )
        except ValueError as error:
            # `distribution.value_errors` makes it one line again.
            raise ValueError(distribution.refusal(error)) from None

    size = batch_size if drop_remainder else None
    spec = {
        "image": tf.TensorSpec((size, *source.image_shape), tf.uint8),
        "index": tf.TensorSpec((size,), tf.int64),
    }
    if source.has_labels:
        spec["label"] = tf.TensorSpec((size,), tf.int64)
    dataset = tf.data.Dataset.from_generator(epoch, output_signature=spec)
    # Where images may be damaged, only batches that are filled up are certain.
    if source.exact or (source.random_access and drop_remainder):
        dataset = dataset.apply(
            tf.data.experimental.assert_cardinality(len(numbers))
        )
    options = tf.data.Options()
    # Autotuning runs in a thread of its own. An iterator that is given up
    # while that thread starts, as in `fit` of several replicas, can wait for
    # it for ever (TensorFlow 2.21).
    options.autotune.enabled = False
    policies = tf.data.experimental.AutoShardPolicy
    options.experimental_distribute.auto_shard_policy = (
        policies.DATA if shard[1] == 1 else policies.OFF
    )
    return dataset.prefetch(2).with_options(options)
