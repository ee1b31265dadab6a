"""Rows of scores of which each replica holds a part."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from keras_dim import distribution
from keras_dim.mutual_information import bounds
from keras_dim.mutual_information import mixtures
from keras_dim.mutual_information import pairs

NUM_IMAGES, NUM_LOCATIONS, UNITS = 6, 5, 8
LIMIT = 7.0


def features(num_summaries):
    rng = np.random.default_rng(0)
    summaries = 2.0 * rng.normal(size=(NUM_IMAGES, num_summaries, UNITS))
    parts = rng.normal(size=(NUM_IMAGES, NUM_LOCATIONS, UNITS))
    return summaries.astype("float32"), parts.astype("float32")


def run(summaries, parts, bound):
    """Returns the value and its gradients, as in a training step."""
    with tf.GradientTape() as tape:
        tape.watch([summaries, parts])
        scores, *masks = pairs.dot_product_pairs(summaries, parts)
        value = bound(scores._replace(limit=LIMIT), *masks)
        loss = distribution.scale_loss(-3.0 * value)
    return value, *tape.gradient(loss, [summaries, parts])


def assert_replicas_equal_one(two_replicas, num_summaries, bound):
    whole = features(num_summaries)
    expected = run(*map(tf.constant, whole), bound)
    halves = [np.split(array, 2) for array in whole]
    per_replica = [
        two_replicas.experimental_distribute_values_from_function(
            lambda context, parts=parts: tf.constant(
                parts[context.replica_id_in_sync_group]
            )
        )
        for parts in halves
    ]
    # AutoGraph would take longer than everything else.
    got = tf.function(
        lambda *args: two_replicas.run(run, (*args, bound)), autograph=False
    )(*per_replica)
    values, *gradients = map(two_replicas.experimental_local_results, got)
    np.testing.assert_allclose(np.mean(values), expected[0], rtol=1e-5)
    for parts, whole in zip(gradients, expected[1:], strict=True):
        np.testing.assert_allclose(
            np.concatenate(parts), whole, atol=1e-5 * np.abs(whole).max()
        )


@pytest.mark.parametrize("name", bounds.BOUNDS)
def test_every_bound_is_that_of_the_whole_batch(name, two_replicas):
    assert_replicas_equal_one(two_replicas, 1, bounds.BOUND_OBJECTS[name]())


QUICK = [(1, None, None), (3, 4, -10.0), (3, 100, None)]


@pytest.mark.parametrize(
    ("num_summaries", "chunk_size", "own_image_score"),
    [
        case if case in QUICK else pytest.param(*case, marks=pytest.mark.slow)
        for case in itertools.product([1, 3], [None, 4, 100], [None, -10.0])
    ],
)
def test_chunks_of_split_rows_change_nothing(
    num_summaries, chunk_size, own_image_score, two_replicas
):
    bound = bounds.InfoNCE(own_image_score, chunk_size)
    assert_replicas_equal_one(two_replicas, num_summaries, bound)


@pytest.mark.parametrize("chunk_size", [None, 2])
def test_mixtures_of_split_rows_are_those_of_whole_ones(
    chunk_size, two_replicas
):
    def bound(*pairs):
        values = bounds.nce_scores(*pairs, chunk_size=chunk_size)
        return tf.reduce_mean(mixtures.combine(values, 3, temperature=2.0))

    assert_replicas_equal_one(two_replicas, 3, bound)
