import keras
import pytest

from keras_dim.training.step_callback import steps_done


@pytest.mark.parametrize(
    ("steps_per_execution", "first", "reported", "done"),
    [(1, 0, 0, 1), (1, 6, 6, 7), (4, 8, 11, 12), (4, 8, 8, 12)],
)
def test_the_steps_done_are_known_whichever_step_keras_reports(
    steps_per_execution, first, reported, done
):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(loss="mse", steps_per_execution=steps_per_execution)
    assert steps_done(model, first, reported) == done
