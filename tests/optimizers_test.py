"""The optimizers do what the published code's do."""

import keras
import numpy as np
import pytest

from keras_dim.optimizers import L2Adam
from keras_dim.optimizers import StepDecay


def test_l2_adam_equals_loops():
    weight = keras.Variable(np.array([1.0, -2.0], "float32"))
    optimizer = L2Adam(0.1, beta_1=0.8, beta_2=0.99, epsilon=1e-8, l2=0.3)
    optimizer.build([weight])
    expected, first, second = np.array([1.0, -2.0]), 0.0, 0.0
    for step, gradient in enumerate(np.array([[0.5, 1.0], [-1.0, 0.2]]), 1):
        optimizer.apply([keras.ops.convert_to_tensor(gradient, "float32")])
        penalised = gradient + 0.3 * expected
        first = 0.8 * first + 0.2 * penalised
        second = 0.99 * second + 0.01 * penalised**2
        expected = expected - 0.1 * (first / (1 - 0.8**step)) / (
            np.sqrt(second / (1 - 0.99**step)) + 1e-8
        )
        np.testing.assert_allclose(weight, expected, rtol=1e-5)


@pytest.mark.parametrize(
    "thing", [L2Adam(0.1, l2=0.2), StepDecay(0.1, [3, 5], 0.2, 2)]
)
def test_config_builds_the_same(thing):
    serialize = keras.saving.serialize_keras_object
    config = serialize(thing)
    copy = keras.saving.deserialize_keras_object(config)

    assert type(copy) is type(thing)
    assert serialize(copy) == config


def test_l2_adam_takes_a_schedule_through_saving(tmp_path):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(L2Adam(StepDecay(0.1, [3], 0.2), l2=0.5), "mse")
    rows = np.ones((4, 2))
    model.fit(rows, rows[:, :1], epochs=2, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")

    for one, other in zip(
        model.optimizer.variables, loaded.optimizer.variables, strict=True
    ):
        np.testing.assert_array_equal(one, other)
    for copy in (model, loaded):
        copy.fit(rows, rows[:, :1], epochs=3, verbose=0)
    np.testing.assert_array_equal(
        model.get_weights()[0], loaded.get_weights()[0]
    )
