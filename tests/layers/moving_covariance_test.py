import keras
import numpy as np
import pytest

from keras_dim import layers


def slow(mean, covariance, batch, decay):
    mean = decay * mean + (1 - decay) * batch.mean(0)
    centred = batch - mean
    moments = centred.T @ centred / len(batch)
    return mean, decay * covariance + (1 - decay) * moments


def test_it_follows_a_slow_version():
    layer = layers.MovingCovariance(3, decay=0.3)
    mean, covariance = np.zeros(3), np.eye(3)
    rng = np.random.default_rng(0)
    for size in (7, 4, 9):
        batch = rng.normal(2.0, 3.0, (size, 3)).astype("float32")
        found = layer.with_batch(batch)
        mean, covariance = slow(mean, covariance, batch, 0.3)
        np.testing.assert_allclose(found[0], mean, rtol=1e-5)
        np.testing.assert_allclose(found[1], covariance, rtol=1e-4, atol=1e-5)
        layer.update(*found)
    np.testing.assert_allclose(layer.covariance, covariance, rtol=1e-4)


def test_reading_changes_no_state():
    layer = layers.MovingCovariance(3)
    layer.with_batch(np.ones((2, 3), "float32"))
    np.testing.assert_array_equal(layer.covariance, np.eye(3))
    np.testing.assert_array_equal(layer.mean, np.zeros(3))


def test_it_is_rebuilt_from_its_config():
    layer = layers.MovingCovariance(3, decay=0.2)
    config = keras.saving.serialize_keras_object(layer)
    copy = keras.saving.deserialize_keras_object(config)
    assert (copy.units, copy.decay) == (3, 0.2)
    assert not layer.trainable_weights


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"units": 0}, "`units`.*1 or more"),
        ({"units": 2, "decay": 1.0}, "`decay`.*below 1"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        layers.MovingCovariance(**arguments)
