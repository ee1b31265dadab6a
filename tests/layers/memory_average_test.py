import golden
import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_dim.layers.memory import MovingAverage


@pytest.fixture
def numbers():
    return golden.load("contrastive_mine_ndm")


@pytest.mark.parametrize("alpha", [0.01, 0.1])
@pytest.mark.parametrize("log_space", [False, True])
def test_average_equals_the_golden_numbers(numbers, alpha, log_space):
    average = MovingAverage(1 - alpha, log_space=log_space)
    for step, scores in enumerate(numbers["t_marginal"]):
        value = np.exp(scores).mean()
        value = np.log(value) if log_space else value
        found = average.update(tf.constant(value, "float32"))
        np.testing.assert_array_equal(found, average.read())
        found = np.exp(found) if log_space else found
        np.testing.assert_allclose(
            found, numbers[f"ema_alpha{alpha}_{step}"], rtol=1e-5
        )


def test_gradient_by_the_average_equals_the_golden_numbers(numbers):
    average = MovingAverage(0.99, log_space=True)
    for step, scores in enumerate(numbers["t_marginal"]):
        scores = tf.constant(scores, "float32")
        with tf.GradientTape() as tape:
            tape.watch(scores)
            log_mean = tf.reduce_logsumexp(scores) - np.log(len(scores))
            loss = tf.exp(log_mean - average.update(log_mean))
        np.testing.assert_allclose(
            tape.gradient(loss, scores),
            numbers[f"grad_tm_alpha0.01_{step}"],
            rtol=1e-5,
        )


def test_logarithms_do_not_overflow(numbers):
    average = MovingAverage(0.9, log_space=True)
    average.update(tf.constant(numbers["big_lme"], "float32"))
    found = average.update(tf.constant(numbers["big_lme"] + 1, "float32"))
    expected = numbers["big_lme"] + np.log(0.9 + 0.1 * np.e)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("log_space", [False, True])
def test_without_decay_the_last_value_counts(log_space):
    average = MovingAverage(0.0, log_space=log_space)
    for value in (3.0, 5.0):
        assert float(average.update(tf.constant(value))) == value


@pytest.mark.parametrize("jit_compile", [False, True])
def test_vectors_are_averaged_in_a_graph(jit_compile):
    average = MovingAverage(0.5, shape=(2,))
    update = tf.function(
        average.update, jit_compile=jit_compile, autograph=False
    )
    np.testing.assert_array_equal(average.read(), [0, 0])
    np.testing.assert_array_equal(update(tf.constant([1.0, 0.0])), [1, 0])
    np.testing.assert_array_equal(update(tf.constant([3.0, 1.0])), [2, 0.5])


def test_half_precision_does_not_round_the_average():
    keras.config.set_dtype_policy("mixed_float16")

    class Averaging(keras.Layer):
        def __init__(self):
            super().__init__()
            self.average = MovingAverage(0.9999)

        def call(self, value):
            return self.average.update(value[0])

    layer = Averaging()
    layer(np.array([1.0]))
    found = np.array(layer(np.array([2.0])))
    assert found.dtype == "float32"
    assert found == pytest.approx(1.0001, rel=1e-7)


def test_average_is_saved(tmp_path):
    inputs = keras.Input((2,))
    model = keras.Model(inputs, inputs)
    model.average = MovingAverage(0.5)
    model.average.update(tf.constant(4.0))
    model.save_weights(tmp_path / "model.weights.h5")
    other = keras.Model(inputs, inputs)
    other.average = MovingAverage(0.5)
    other.load_weights(tmp_path / "model.weights.h5")
    # The next value does not restart the average.
    assert float(other.average.update(tf.constant(2.0))) == 3.0


def test_config_makes_the_same_average():
    average = MovingAverage(0.3, shape=(2,), log_space=True)
    config = average.get_config()
    assert MovingAverage.from_config(config).get_config() == config


@pytest.mark.parametrize("decay", [-0.1, 1.1])
def test_wrong_decay_is_refused(decay):
    with pytest.raises(ValueError, match="`decay` must be"):
        MovingAverage(decay)


def test_value_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"`value` must have the shape \(2,\)"):
        MovingAverage(0.5, shape=(2,)).update(tf.constant(1.0))
