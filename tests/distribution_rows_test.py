"""Rows that are shuffled between replicas, read and written."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_dim import distribution


def on_both(two_replicas, function, whole):
    """Runs a function on replicas with equal shares of the rows of an array."""
    half = len(whole) // 2
    rows = two_replicas.experimental_distribute_values_from_function(
        lambda context: tf.constant(
            whole[half * context.replica_id_in_sync_group :][:half]
        )
    )
    results = tf.function(
        lambda rows: two_replicas.run(function, (rows,)), autograph=False
    )(rows)
    return tf.nest.map_structure(
        lambda result: [
            np.array(part)
            for part in two_replicas.experimental_local_results(result)
        ],
        results,
    )


def test_shuffled_rows_are_restored_to_their_places():
    rows = np.arange(12.0).reshape(6, 2).astype("float32")
    generator = keras.random.SeedGenerator(0)
    shuffled, order = distribution.shuffle_rows(rows, generator)
    assert sorted(np.array(shuffled)[:, 0]) == rows[:, 0].tolist()
    assert not np.array_equal(shuffled, rows)
    np.testing.assert_array_equal(
        distribution.unshuffle_rows(shuffled, order), rows
    )
    # The order differs each time.
    again, _ = distribution.shuffle_rows(rows, generator)
    assert not np.array_equal(again, shuffled)


def test_rows_are_shuffled_between_replicas_as_on_one_device(two_replicas):
    rows = np.arange(16.0).reshape(8, 2).astype("float32")
    with two_replicas.scope():
        generator = keras.random.SeedGenerator(3)

    def on_replica(rows):
        shuffled, order = distribution.shuffle_rows(rows, generator)
        return shuffled, distribution.unshuffle_rows(shuffled, order)

    shuffled, back = on_both(two_replicas, on_replica, rows)
    expected, _ = distribution.shuffle_rows(rows, keras.random.SeedGenerator(3))
    np.testing.assert_array_equal(np.concatenate(shuffled), expected)
    np.testing.assert_array_equal(np.concatenate(back), rows)
    # Some of the first replica's rows moved to the second one.
    assert shuffled[1][:, 0].min() < 8
    assert [len(part) for part in shuffled] == [4, 4]


def test_no_gradient_flows_through_shuffled_rows():
    rows = tf.Variable([[1.0], [2.0]])
    with tf.GradientTape() as tape:
        shuffled, order = distribution.shuffle_rows(
            rows, keras.random.SeedGenerator(0)
        )
        loss = tf.reduce_sum(distribution.unshuffle_rows(shuffled, order))
    assert tape.gradient(loss, rows) is None


def variable(rows):
    return keras.Variable(rows, trainable=False)


def test_rows_of_a_variable_are_read_and_written():
    rows = np.arange(12.0).reshape(6, 2).astype("float32")
    of_keras = variable(rows)
    indices = tf.constant([4, 1])
    np.testing.assert_array_equal(
        distribution.read_rows(of_keras, indices), rows[[4, 1]]
    )
    distribution.write_rows(of_keras, indices, tf.constant([[1.0, 2], [3, 4]]))
    rows[[4, 1]] = [[1, 2], [3, 4]]
    np.testing.assert_array_equal(of_keras, rows)


def test_a_graph_that_writes_rows_does_not_copy_the_others():
    of_keras = variable(np.zeros((6, 2), "float32"))

    @tf.function(autograph=False)
    def write(indices, rows):
        old = distribution.read_rows(of_keras, indices)
        distribution.write_rows(of_keras, indices, old + rows)

    graph = write.get_concrete_function(
        tf.constant([4, 1]), tf.constant([[1.0, 2], [3, 4]])
    ).graph
    operations = {operation.type for operation in graph.get_operations()}
    assert {"ResourceGather", "ResourceScatterUpdate"} <= operations
    assert not {"ReadVariableOp", "AssignVariableOp"} & operations


@pytest.mark.parametrize("dtype", ["uint8", "bfloat16"])
def test_rows_of_every_precision_are_gathered(two_replicas, dtype):
    def on_replica():
        context = tf.distribute.get_replica_context()
        own = tf.fill((2, 3), context.replica_id_in_sync_group + 250)
        return distribution.concat_replicas(tf.cast(own, dtype))

    found = tf.function(lambda: two_replicas.run(on_replica), autograph=False)()
    for rows in two_replicas.experimental_local_results(found):
        assert rows.dtype == dtype
        np.testing.assert_array_equal(
            tf.cast(rows, "int32")[:, 0], [250, 250, 251, 251]
        )
