import golden
import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny

import keras_dim


def tangent(gradient, vectors):
    """Returns the part of gradients at right angles to unit vectors."""
    radial = np.sum(gradient * vectors, axis=1, keepdims=True)
    return gradient - radial * vectors


def test_loss_and_gradients_equal_the_published_ones():
    arrays = golden.load("contrastive_align_uniform")
    model = tiny.METHODS["alignment_uniformity"]()
    views = [tf.constant(arrays[name], "float32") for name in "xy"]
    with tf.GradientTape() as tape:
        tape.watch(views)
        terms = model.loss_terms(views)
        loss = sum(
            weight * terms[name] for name, weight in model.term_weights.items()
        )
    np.testing.assert_allclose(loss, arrays["total_alpha2_t2"], rtol=1e-5)
    # Along the sphere: distances are computed from the vectors' products.
    for gradient, name in zip(tape.gradient(loss, views), "xy", strict=True):
        np.testing.assert_allclose(
            tangent(gradient, arrays[name]),
            tangent(arrays[f"total_grad_{name}"], arrays[name]),
            rtol=1e-4,
            atol=1e-6,
        )


def test_default_views_are_those_of_the_paper():
    model = keras_dim.AlignmentUniformity(tiny.encoder(32), seed=3)
    images = np.random.default_rng(0).uniform(0, 255, (2, 40, 40, 3))
    published = keras_dim.views.alignment_uniformity(32, seed=3)
    expected = published(images, training=True)
    views = model.views(images, training=True)
    for name, view in views.items():
        np.testing.assert_array_equal(view, expected[name])


def test_training_lowers_both_terms():
    model = tiny.METHODS["alignment_uniformity"]()
    model.compile(keras.optimizers.SGD(0.05))
    before = model.evaluate(tiny.batches(), verbose=0, return_dict=True)
    model.fit(tiny.batches(), epochs=10, verbose=0)
    after = model.evaluate(tiny.batches(), verbose=0, return_dict=True)
    assert after["loss"] < before["loss"]


@pytest.mark.parametrize(
    "name, arguments",
    [
        ("t", {"t": 0}),
        ("exponent", {"exponent": 0}),
        (r"alpha \+ beta", {"alpha": 0, "beta": 0}),
    ],
)
def test_arguments_out_of_range_are_refused(name, arguments):
    with pytest.raises(ValueError, match=f"`{name}`.*above 0"):
        keras_dim.AlignmentUniformity(
            tiny.encoder(), views=tiny.two_views(), **arguments
        )
