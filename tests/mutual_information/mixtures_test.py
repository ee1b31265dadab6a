import math

import numpy as np
import pytest
import scipy.optimize
import tensorflow as tf
from reference import amdim as reference

from keras_dim.mutual_information import bounds
from keras_dim.mutual_information import mixtures
from keras_dim.mutual_information.pairs import DotProductScores

NUM_IMAGES, NUM_MIXTURES, NUM_LOCATIONS, UNITS = 4, 3, 5, 6


def factors():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(NUM_IMAGES, NUM_MIXTURES, UNITS))
    targets = rng.normal(size=(NUM_IMAGES, NUM_LOCATIONS, UNITS))
    return features, targets


def pairs(features, targets):
    positives = np.repeat(np.eye(NUM_IMAGES), features.shape[1], axis=0)
    positives = positives[:, :, None].astype("float32")
    scores = DotProductScores(
        tf.constant(features.reshape(-1, UNITS) / math.sqrt(UNITS), "float32"),
        tf.constant(targets, "float32"),
    )
    return scores, positives, 1 - positives


def info_nce(args, num_mixtures, temperature, chunk_size=None):
    values = bounds.nce_scores(*args, chunk_size=chunk_size)
    return np.mean(mixtures.combine(values, num_mixtures, temperature))


def expected_values(features, targets):
    """Scores of NCE from loops, shape `(images, mixtures, locations)`."""
    return np.stack(
        [
            reference.nce_scores(features[:, j], targets, limit=1e6)[0]
            for j in range(features.shape[1])
        ],
        axis=1,
    )


def softmax(x, axis):
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


@pytest.mark.parametrize("temperature", [0.3, 1.0, 7.0])
@pytest.mark.parametrize("chunk_size", [None, 1, 3])
def test_equals_loops(temperature, chunk_size):
    features, targets = factors()
    values = expected_values(features, targets)
    shares = softmax(temperature * values, axis=1)
    expected = np.mean(
        [
            reference.mixture_objective(value, share, 1 / temperature)
            for value, share in zip(values, shares, strict=True)
        ]
    )
    got = info_nce(
        pairs(features, targets), NUM_MIXTURES, temperature, chunk_size
    )
    assert float(got) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("chunk_size", [None, 2])
def test_one_feature_is_plain_info_nce(chunk_size):
    features, targets = factors()
    args = pairs(features[:, :1], targets)
    got = info_nce(args, 1, 2.0, chunk_size)
    assert float(got) == pytest.approx(float(bounds.info_nce(*args)), rel=1e-5)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_assignment_maximises_the_objective(temperature):
    values = np.random.default_rng(1).normal(size=(4, 1))

    def loss(logits):
        shares = softmax(logits[:, None], axis=0)
        return -reference.mixture_objective(values, shares, 1 / temperature)

    best = scipy.optimize.minimize(loss, np.zeros(4), tol=1e-12)
    got = np.array(mixtures.assignment(values, temperature, axis=0))
    np.testing.assert_allclose(got[:, 0], softmax(best.x, axis=0), atol=1e-4)
    value = mixtures.value_of_assignment(values, temperature, axis=0)
    assert float(value[0]) == pytest.approx(-best.fun, abs=1e-6)


def test_entropy_weight_and_temperature_are_each_others_inverse():
    values = np.random.default_rng(2).normal(size=(4, 6))
    shares = np.array(mixtures.assignment(values, 4.0, axis=0))
    got = np.mean(mixtures.value_of_assignment(values, 4.0, axis=0))
    at_inverse = reference.mixture_objective(values, shares, 1 / 4.0)
    elsewhere = reference.mixture_objective(values, shares, 1 / 2.0)
    assert got == pytest.approx(at_inverse, rel=1e-6)
    assert abs(got - elsewhere) > 0.1


def test_the_slope_at_each_score_is_its_assignment():
    values = tf.constant(np.random.default_rng(3).normal(size=(2, 4)))
    with tf.GradientTape() as tape:
        tape.watch(values)
        total = tf.reduce_sum(mixtures.value_of_assignment(values, 3.0))
    np.testing.assert_allclose(
        tape.gradient(total, values), mixtures.assignment(values, 3.0)
    )


def test_equal_features_share_their_targets_equally():
    features, targets = factors()
    features[:] = features[:, :1]
    one = pairs(features[:, :1], targets)
    got = info_nce(pairs(features, targets), NUM_MIXTURES, 2.0)
    # The score of one of them, and an entropy of log 3 at weight 1/2.
    expected = float(bounds.info_nce(*one)) + math.log(NUM_MIXTURES) / 2
    assert float(got) == pytest.approx(expected, rel=1e-5)


def test_a_high_temperature_chooses_the_best_feature():
    values = np.array([[0.0, 2.0], [1.0, 0.5]])
    np.testing.assert_allclose(
        mixtures.assignment(values, 1e3, axis=0), [[0, 1], [1, 0]], atol=1e-9
    )


def test_large_scores_stay_finite():
    values = np.array([[500.0, -500.0]], "float32")
    assert float(mixtures.value_of_assignment(values, 10.0)[0]) == 500
