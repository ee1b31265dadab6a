import golden
import numpy as np
import pytest
import tensorflow as tf

from keras_dim.mutual_information import nce


@pytest.mark.parametrize("name", ["true", "zero"])
def test_loss_and_slope_equal_the_published_ones(name):
    arrays = golden.load("contrastive_nce_binary")
    data, noise = (
        tf.constant(arrays[f"log_phi_{part}"] - arrays[f"log_pn_{part}"])
        for part in ("data", "noise")
    )
    noise = tf.reshape(noise, (len(data), -1))
    value = float(arrays["c_true"]) if name == "true" else 0.0
    normalizer = tf.Variable(value, dtype="float64")
    with tf.GradientTape() as tape:
        losses = nce.binary_nce(data + normalizer, noise + normalizer)
        loss = tf.reduce_mean(losses)
    np.testing.assert_allclose(loss, arrays[f"loss_c_{name}"], rtol=1e-5)
    slope = tape.gradient(loss, normalizer)
    np.testing.assert_allclose(
        slope, arrays[f"grad_c_{name}"], rtol=1e-4, atol=1e-6
    )


@pytest.mark.parametrize("shapes", [((3, 1), (3, 4)), ((3,), (1, 4))])
def test_shapes_that_would_be_broadcast_are_refused(shapes):
    with pytest.raises(ValueError, match="log_ratios` must have the shape"):
        nce.binary_nce(*map(np.zeros, shapes))


def test_equal_densities_cannot_be_told_apart():
    # The odds of data are 1 to 4: log(5) for the datum, log(5 / 4) for each
    # of four noise samples.
    losses = nce.binary_nce(np.zeros(3), np.zeros((3, 4)))
    expected = np.log(5) + 4 * np.log(5 / 4)
    np.testing.assert_allclose(losses, np.full(3, expected), rtol=1e-6)


def test_the_learned_normaliser_makes_it_a_density():
    # Data from a normal of deviation 1.3, noise from one of 2. The model is
    # the data's density without its normaliser, -log(1.3 sqrt(2 pi)).
    rng = np.random.default_rng(0)
    data = rng.normal(0, 1.3, 200_000)
    noise = rng.normal(0, 2, (200_000, 2))

    def log_ratios(x):
        of_noise = -(x**2) / (2 * 2**2) - np.log(2 * np.sqrt(2 * np.pi))
        return -(x**2) / (2 * 1.3**2) - of_noise

    truth = -np.log(1.3 * np.sqrt(2 * np.pi))
    normalizer = tf.Variable(truth, dtype="float64")
    with tf.GradientTape() as tape:
        losses = nce.binary_nce(
            log_ratios(data) + normalizer, log_ratios(noise) + normalizer
        )
        loss = tf.reduce_mean(losses)
    # The slope of 200,000 samples deviates by less than 0.002.
    assert abs(float(tape.gradient(loss, normalizer))) < 0.01
