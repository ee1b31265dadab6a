import keras
import pytest

from keras_dim.training.executions import steps_done


@pytest.mark.parametrize(
    ("steps_per_execution", "first", "told", "done"),
    [(1, 0, 0, 1), (1, 6, 6, 7), (4, 8, 11, 12), (4, 8, 8, 12)],
)
def test_the_last_step_is_known_however_it_is_told(
    steps_per_execution, first, told, done
):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(loss="mse", steps_per_execution=steps_per_execution)
    assert steps_done(model, first, told) == done
