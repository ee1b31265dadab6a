import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny

import keras_dim


def test_terms_equal_a_slow_version():
    model = tiny.METHODS["coding_rate"]()
    views = np.random.default_rng(0).normal(size=(3, 4, 5))
    views /= np.linalg.norm(views, axis=-1, keepdims=True)
    cosines, rates = [], []
    for view in views:
        for image, vector in enumerate(view):
            mean = views[:, image].mean(0)
            cosines.append(vector @ mean / np.linalg.norm(mean))
        moments = np.eye(5) + 5 / (4 * 0.2) * view.T @ view
        rates.append(np.linalg.slogdet(moments)[1] / 2)
    terms = model.loss_terms([tf.constant(v, "float32") for v in views])
    np.testing.assert_allclose(terms["similarity"], np.mean(cosines), rtol=1e-5)
    np.testing.assert_allclose(terms["coding_rate"], np.mean(rates), rtol=1e-5)


def test_default_views_are_twenty_crops_of_a_quarter():
    model = keras_dim.CodingRate(tiny.encoder(32), units=5, hidden_units=6)
    assert len(model.view_names) == 20
    images = np.random.default_rng(0).uniform(0, 255, (2, 32, 32, 3))
    views = model.views(images, training=True)
    assert set(views) == set(model.view_names)
    assert all(view.shape == (2, 32, 32, 3) for view in views.values())


def test_training_lowers_the_loss():
    model = tiny.METHODS["coding_rate"]()
    model.compile(keras.optimizers.Adam(0.01))
    losses = model.fit(tiny.batches(), epochs=20, verbose=0).history["loss"]
    assert np.mean(losses[-5:]) < np.mean(losses[:5])


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"alpha": -1.0}, "`alpha`.*0 or more"),
        ({"distortion": 0.0}, "`distortion`.*above 0"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        keras_dim.CodingRate(
            tiny.encoder(), views=tiny.two_views(), **arguments
        )
