"""Batches in a reproducible order as a `tf.data.Dataset`."""

from collections.abc import Iterator

import tensorflow as tf

from keras_dim.data.order import Order
from keras_dim.data.source import Source
from keras_dim.data.tensorflow_tools import without_autotuning


def batches_of(
    source: Source,
    order: Order,
    batch_size: int,
    drop_remainder: bool,
    numbers: range,
    epoch_seeds: Iterator[int],
    shuffle: bool,
) -> tf.data.Dataset:
    """Returns epoch after epoch of a source: one to an iteration.

    Args:
        source: `Source`.
        order: `Order`. The shard; its seed is that of the epoch.
        batch_size: int.
        drop_remainder: bool. Whether to leave out a last, smaller batch.
        numbers: range. The batches of an epoch to hand out, as far as there
            are so many.
        epoch_seeds: iterator of int.
        shuffle: bool. Whether to shuffle by these seeds.
    """

    def next_epoch():
        # Called once for each iterator: this is what counts the epochs.
        yield next(epoch_seeds)

    def one_epoch(seed):
        # Shuffles mix their own seed with that of the graph, which would be
        # the process's global seed, and the order would depend on it.
        tf.random.set_seed(1)
        shuffled = Order(
            seed if shuffle else None, order.shard_index, order.num_shards
        )
        return source.batches(shuffled, batch_size, drop_remainder)

    epochs = tf.data.Dataset.from_generator(
        next_epoch, output_signature=tf.TensorSpec([], tf.int64)
    )
    # Workers must not differ in the number of batches.
    dataset = epochs.flat_map(one_epoch).take(numbers.stop)
    dataset = dataset.skip(numbers.start)
    if source.exact:
        dataset = dataset.apply(
            tf.data.experimental.assert_cardinality(len(numbers))
        )
    options = _options(order.num_shards)
    dataset = dataset.prefetch(tf.data.AUTOTUNE).with_options(options)
    return without_autotuning(dataset)


def _options(num_shards):
    options = tf.data.Options()
    options.deterministic = True
    policies = tf.data.experimental.AutoShardPolicy
    options.experimental_distribute.auto_shard_policy = (
        policies.DATA if num_shards == 1 else policies.OFF
    )
    return options
