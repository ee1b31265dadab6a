import math

import keras
import numpy as np
import pytest
import tiny

from keras_dim.training import NonFiniteAlarm
from keras_dim.training import NonFiniteError
from keras_dim.training import alarms


class OneOver(keras.layers.Layer):
    """Divides 1 by its input, which is infinite for zero."""

    def call(self, inputs):
        return 1 / inputs


def model_that_divides(**compile_arguments):
    """A compiled model with a division in the middle."""
    model = keras.Sequential(
        [
            keras.Input((3,)),
            keras.layers.Dense(
                3, use_bias=False, kernel_initializer="identity", name="first"
            ),
            OneOver(name="divides"),
            keras.layers.Dense(2, name="last"),
        ]
    )
    # NaN times zero is NaN: only a step with NaN changes weights.
    optimizer = keras.optimizers.SGD(0.0)
    model.compile(optimizer, "mse", **compile_arguments)
    return model


# Batches of two: the third one has a zero in it.
NUMBERS = np.ones((8, 3), "float32")
NUMBERS[5, 1] = 0


def fit(model, alarm, numbers=NUMBERS, callbacks=(), epochs=1):
    return model.fit(
        numbers,
        np.zeros((len(numbers), 2)),
        batch_size=2,
        shuffle=False,
        epochs=epochs,
        callbacks=[*callbacks, alarm],
        verbose=0,
    )


def batch_at(epoch, step):
    return NUMBERS[2 * step : 2 * step + 2]


def test_the_term_the_layer_and_the_step_are_named():
    model = model_that_divides()
    before = keras.models.clone_model(model)
    before.set_weights(model.get_weights())
    alarm = NonFiniteAlarm(batch_at, lambda: before)

    with pytest.raises(NonFiniteError, match="step 3 of epoch 1") as error:
        fit(model, alarm)
    assert error.value.terms == ("loss",)
    assert error.value.layer.endswith("divides")
    assert (error.value.epoch, error.value.steps) == (0, range(2, 3))
    message = str(error.value)
    assert "with those of the last checkpoint, the first layer" in message
    assert "\n" not in message


def test_the_layer_is_found_after_a_step_that_the_loss_scaling_skipped():
    # With a scaled loss, a step with NaN leaves all weights as they were.
    model = model_that_divides()
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1))
    model.layers[0].trainable = False
    model.compile(optimizer, "mse")
    with pytest.raises(NonFiniteError, match="All weights are finite") as error:
        fit(model, NonFiniteAlarm(batch_at))
    assert error.value.layer.endswith("divides")
    assert alarms.non_finite_layers(model) == []


def test_an_error_of_the_search_does_not_hide_the_alarm():
    def gone(epoch, step):
        raise OSError("the images\nare gone")

    alarm = NonFiniteAlarm(gone, model_that_divides)
    with pytest.raises(NonFiniteError, match="the images are gone") as error:
        fit(model_that_divides(), alarm)
    assert error.value.steps == range(2, 3)


def test_without_the_images_the_step_is_still_named():
    with pytest.raises(NonFiniteError, match="weights of all layers") as error:
        fit(model_that_divides(), NonFiniteAlarm())
    assert error.value.layer is None
    assert error.value.steps == range(2, 3)


def test_a_divergence_is_distinguished_from_bad_images():
    model = model_that_divides()
    before = keras.models.clone_model(model)
    alarm = NonFiniteAlarm(
        lambda epoch, step: np.ones((2, 3), "float32"), lambda: before
    )
    with pytest.raises(NonFiniteError, match="training has diverged since"):
        fit(model, alarm)


def test_finite_numbers_are_no_alarm():
    history = fit(model_that_divides(), NonFiniteAlarm(), NUMBERS[:4]).history
    assert math.isfinite(history["loss"][0])


def test_all_steps_of_an_execution_are_named():
    model = model_that_divides(steps_per_execution=2)
    with pytest.raises(NonFiniteError, match="steps 3 to 4 of") as error:
        fit(model, NonFiniteAlarm())
    assert error.value.steps == range(2, 4)


def test_steps_of_a_resumed_epoch_are_counted_from_its_start():
    alarm = NonFiniteAlarm(first_step=10)
    with pytest.raises(NonFiniteError, match="step 13 of epoch 1"):
        fit(model_that_divides(), alarm)

    class Spoil(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                self.model.layers[0].kernel.assign(np.full((3, 3), np.nan))

    alarm = NonFiniteAlarm(first_step=10)
    with pytest.raises(NonFiniteError, match="step 1 of epoch 2"):
        fit(model_that_divides(), alarm, NUMBERS[:4], [Spoil()], epochs=2)


def test_weights_that_are_not_finite_after_the_last_step_are_found():
    class Spoil(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 1:
                self.model.layers[-1].bias.assign([0, np.inf])

    with pytest.raises(NonFiniteError, match="weights became NaN") as error:
        fit(model_that_divides(), NonFiniteAlarm(), NUMBERS[:4], [Spoil()])
    assert error.value.terms == ()
    assert error.value.layer.endswith("last")
    assert "step 2 of epoch 1" in str(error.value)


def test_nan_of_a_probe_that_was_not_run_is_no_alarm():
    class Probe(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["probe"] = float("nan")

    fit(model_that_divides(), NonFiniteAlarm(), NUMBERS[:4], [Probe()])


def test_the_first_of_several_broken_layers_is_named():
    class Spoil(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            self.model.layers[-1].bias.assign([0, np.nan])

    model = model_that_divides()
    # Weights that are not trained stay finite.
    model.layers[0].trainable = False
    model.compile("sgd", "mse")
    alarm = NonFiniteAlarm(batch_at, lambda: None)
    with pytest.raises(NonFiniteError):
        fit(model, alarm, NUMBERS[:4], [Spoil()])
    assert alarms.non_finite_layers(model)[0].endswith("last")


def test_the_optimizers_variables_are_checked():
    model = model_that_divides()
    model.compile(keras.optimizers.Adam(), "mse")
    model.optimizer.build(model.trainable_variables)
    assert alarms.non_finite_layers(model) == []
    model.optimizer.variables[-1].assign([np.inf, 0])
    (layer,) = alarms.non_finite_layers(model)
    assert "adam" in layer


@pytest.mark.parametrize("name", ["deep_infomax_local", "amdim"])
def test_every_layer_of_a_method_is_checked(name):
    model = tiny.make(name)
    batch = {"image": tiny.images()}
    assert alarms.first_non_finite_output(model, batch) is None
    # One weight of each layer.
    weights = {w.path.rpartition("/")[0]: w for w in model.trainable_variables}
    for layer, weight in weights.items():
        kept = np.array(weight)
        weight.assign(np.full(weight.shape, np.nan))
        assert alarms.first_non_finite_output(model, batch) == layer
        weight.assign(kept)


def test_the_search_leaves_the_layers_as_they_were():
    model = model_that_divides()
    expected = model.predict(NUMBERS[:4], verbose=0)
    found = alarms.first_non_finite_output(model, NUMBERS)
    assert found.endswith("divides")
    assert all("call" not in vars(layer) for layer in model.layers)
    np.testing.assert_array_equal(
        model.predict(NUMBERS[:4], verbose=0), expected
    )


@pytest.mark.parametrize(
    ("steps_per_execution", "first", "reported", "stop"),
    [(1, 6, 6, 7), (4, 8, 11, 12), (4, 8, 8, 12)],
)
def test_the_steps_done_are_known_whichever_step_keras_reports(
    steps_per_execution, first, reported, stop
):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(loss="mse", steps_per_execution=steps_per_execution)
    alarm = NonFiniteAlarm()
    alarm.set_model(model)
    alarm.on_epoch_begin(0)
    alarm.on_train_batch_begin(first)
    alarm.on_train_batch_end(reported)
    assert alarm.steps == range(first, stop)
