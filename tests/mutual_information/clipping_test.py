import numpy as np
import pytest
import tensorflow as tf

from keras_dim.mutual_information import clipping

SCORES = np.array([-1e4, -30.0, -1.0, 0.0, 0.5, 20.0, 1e4], "float32")


def test_clipped_scores_stay_within_the_limit():
    clipped = np.array(clipping.soft_clip(SCORES, 20.0))
    np.testing.assert_allclose(clipped, 20 * np.tanh(SCORES / 20), rtol=1e-6)
    assert np.abs(clipped).max() == 20


def test_small_scores_are_hardly_changed():
    # tanh x = x - x^3 / 3 + ...
    small = np.array([-0.1, 0.1], "float32")
    np.testing.assert_allclose(
        clipping.soft_clip(small, 20.0), small, rtol=1e-5
    )


def test_without_a_limit_nothing_is_changed():
    assert clipping.soft_clip(SCORES, None) is SCORES


@pytest.mark.parametrize("limit", [5.0, 20.0])
def test_slope_is_the_derivative(limit):
    scores = tf.constant(SCORES)
    with tf.GradientTape() as tape:
        tape.watch(scores)
        clipped = clipping.soft_clip(scores, limit)
    np.testing.assert_allclose(
        clipping.soft_clip_slope(clipped, limit),
        tape.gradient(clipped, scores),
        rtol=1e-5,
        atol=1e-6,
    )
