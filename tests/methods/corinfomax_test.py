import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny

import keras_dim


def test_two_steps_equal_a_slow_version():
    model = tiny.METHODS["corinfomax"]()
    rng = np.random.default_rng(0)
    states = [(np.zeros(4), np.eye(4)), (np.zeros(4), np.eye(4))]
    for _ in range(2):
        views = rng.normal(size=(2, 9, 4))
        views /= np.linalg.norm(views, axis=-1, keepdims=True)
        log_determinants = 0.0
        for i, view in enumerate(views):
            mean = 0.3 * states[i][0] + 0.7 * view.mean(0)
            centred = view - mean
            covariance = 0.3 * states[i][1] + 0.7 * centred.T @ centred / 9
            states[i] = mean, covariance
            log_determinants += np.linalg.slogdet(
                covariance + 1e-6 * np.eye(4)
            )[1]
        vectors = [tf.constant(view, "float32") for view in views]
        moments = [
            moving.with_batch(vector)
            for moving, vector in zip(model.covariances, vectors, strict=True)
        ]
        terms = model.loss_terms((vectors, moments))
        model.after_loss((vectors, moments))
        np.testing.assert_allclose(
            terms["log_determinant"], log_determinants / 4, rtol=1e-4
        )
        expected = np.mean((views[0] - views[1]) ** 2)
        np.testing.assert_allclose(terms["distance"], expected, rtol=1e-5)


def test_collapse_costs_more_than_it_saves():
    model = tiny.METHODS["corinfomax"]()
    spread = tf.constant(np.eye(4), "float32")
    collapsed = tf.constant(np.tile(np.eye(1, 4), (4, 1)), "float32")
    losses = []
    for vectors in (spread, collapsed):
        moments = [each.with_batch(vectors) for each in model.covariances]
        terms = model.loss_terms(((vectors, vectors), moments))
        losses.append(-float(terms["log_determinant"]))
    assert losses[0] < losses[1]


def test_training_lowers_the_loss():
    model = tiny.METHODS["corinfomax"]()
    model.compile(keras.optimizers.Adam(0.01))
    losses = model.fit(tiny.batches(), epochs=20, verbose=0).history["loss"]
    # The first steps forget the identity, at which the covariances start.
    assert losses[-1] < losses[3]


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"alpha": -1.0}, "`alpha`.*0 or more"),
        ({"epsilon": 0.0}, "`epsilon`.*above 0"),
        ({"decay": 1.0}, "`decay`.*below 1"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        keras_dim.CorInfoMax(
            tiny.encoder(), views=tiny.two_views(), **arguments
        )
