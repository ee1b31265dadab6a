"""The one place that knows how many replicas there are."""

import keras
from keras import ops

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf


def num_replicas():
    """Returns how many replicas share a step, over all workers."""
    if keras.backend.backend() != "tensorflow":
        return 1
    return tf.distribute.get_strategy().num_replicas_in_sync


def num_replicas_of(model):
    """Returns how many replicas train `model`, inside or outside a scope."""
    if keras.backend.backend() != "tensorflow":
        return 1
    return model.distribute_strategy.num_replicas_in_sync


def is_multi_worker():
    """Returns whether the current strategy spans several processes."""
    if keras.backend.backend() != "tensorflow":
        return False
    return isinstance(
        tf.distribute.get_strategy(),
        tf.distribute.MultiWorkerMirroredStrategy,
    )


def concat_replicas(tensor):
    """Concatenates `tensor` over replicas along axis 0. Gradients flow back."""
    if _is_alone():
        return tensor
    gathered = tf.distribute.get_replica_context().all_gather(tensor, axis=0)
    # Gathering forgets every size, though only the batch's has changed.
    return tf.ensure_shape(gathered, (None, *tensor.shape[1:]))


def first_row(batch_size):
    """Returns where this replica's rows begin in `concat_replicas`' result.

    Args:
        batch_size: int, or scalar tensor where it is not known beforehand.
            Replicas have equal batches in the first case; in the second, as
            in the last batch of an epoch, they may differ.
    """
    if _is_alone():
        return 0
    replica = tf.cast(
        tf.distribute.get_replica_context().replica_id_in_sync_group, "int32"
    )
    if isinstance(batch_size, int):
        return replica * batch_size
    return tf.reduce_sum(_batch_sizes(batch_size)[:replica])


def draw_for_own_rows(draw, batch_size):
    """Draws random rows for the whole batch and keeps this replica's.

    All replicas hold the same random state. Each draws for everyone, so that
    two replicas see the numbers that one device would.

    Args:
        draw: callable from a number of rows to a tensor with so many rows.
        batch_size: int or scalar tensor. Number of rows of this replica.
    """
    if _is_alone():
        return draw(batch_size)
    if isinstance(batch_size, int):
        total = batch_size * num_replicas()
    else:
        total = tf.reduce_sum(_batch_sizes(batch_size))
    first = first_row(batch_size)
    return ops.take(draw(total), first + ops.arange(batch_size), axis=0)


def scale_loss(loss):
    """Divides by the number of replicas, over which Keras sums gradients."""
    return loss / num_replicas()


def holds_everywhere(condition):
    """Returns whether a scalar condition holds on every replica."""
    if _is_alone():
        return condition
    num_holding = tf.distribute.get_replica_context().all_reduce(
        tf.distribute.ReduceOp.SUM, tf.cast(condition, "int32")
    )
    return tf.equal(num_holding, num_replicas())


def _is_alone():
    return num_replicas() == 1 or tf.distribute.in_cross_replica_context()


def _batch_sizes(batch_size):
    return concat_replicas(tf.reshape(tf.cast(batch_size, "int32"), (1,)))
