"""Datasets without the thread that tunes them."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tensorflow as tf


def untuned(dataset: "tf.data.Dataset") -> "tf.data.Dataset":
    """Returns a dataset whose iterators may end at any moment.

    TensorFlow tunes the parallelism of each iterator in a thread of its own.
    An iterator that is given up just when that thread starts, after an error
    in its first batch or as `fit` of several replicas does with its first
    one, can wait for it for ever (TensorFlow 2.21, on processors that are
    busy). Without it, what was left to be tuned takes as many threads as
    there are processors, at most 16.

    Args:
        dataset: `tf.data.Dataset`.
    """
    import tensorflow as tf

    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)
