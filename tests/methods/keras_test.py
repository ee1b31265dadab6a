"""The shortcomings of Keras that `methods/replicated.py` mends.

Each test shows one with a model of Keras's own. Where a test fails, Keras has
mended the matter itself: take the repair out of `replicated.py`, and the test
with it.

Two more show only under several workers, each a process of its own:
MultiWorkerMirroredStrategy reduces scalar logs along an axis (issue 20585),
and the symbolic build fails on dicts (issue 20329).
`test_stock_keras_still_fails_on_several_workers` in
`conformance/multi_worker_test.py` starts such processes.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf


def make(*layers, strategy=None, **compile_arguments):
    """A compiled model of one input and one output."""
    compile_arguments = {"optimizer": "sgd", "loss": "mse"} | compile_arguments
    with (strategy or tf.distribute.get_strategy()).scope():
        inputs = keras.Input((1,))
        model = keras.Sequential([inputs, *layers, keras.layers.Dense(1)])
        model.compile(**compile_arguments)
    return model


def fit(model, x=((1.0,), (2.0,)), **arguments):
    """One step with a batch of two, one for each replica."""
    x = np.array(x, "float32")
    return model.fit(x, np.ones_like(x), batch_size=2, verbose=0, **arguments)


def saved_and_loaded(model, tmp_path):
    model.save(tmp_path / "model.keras")
    return keras.models.load_model(tmp_path / "model.keras")


def test_seed_generators_are_not_saved(tmp_path):
    model = make(keras.layers.Dropout(0.5, seed=0), run_eagerly=True)
    first = np.array(model.layers[0].seed_generator.state)
    fit(model)
    moved = np.array(model.layers[0].seed_generator.state)
    assert not np.array_equal(moved, first)
    loaded = saved_and_loaded(model, tmp_path)
    np.testing.assert_array_equal(loaded.layers[0].seed_generator.state, first)


def test_metrics_are_not_saved(tmp_path):
    model = make(run_eagerly=True)
    fit(model)
    (counted,) = (
        int(part) for part in model.metrics_variables if "count" in part.path
    )
    assert counted == 2
    loaded = saved_and_loaded(model, tmp_path)
    assert not any(float(part) for part in loaded.metrics_variables)


def test_xla_fails_on_two_replicas(two_replicas):
    # Issues 17187 and 20763. GPUs give the first message, processors the other.
    model = make(strategy=two_replicas, jit_compile=True)
    with pytest.raises(
        (RuntimeError, tf.errors.InvalidArgumentError),
        match="merge_call|located in device",
    ):
        fit(model)


def test_accumulated_gradients_fail_on_two_replicas(two_replicas):
    # Issue 20582.
    with two_replicas.scope():
        optimizer = keras.optimizers.SGD(gradient_accumulation_steps=2)
    model = make(strategy=two_replicas, optimizer=optimizer)
    with pytest.raises(RuntimeError, match="merge_call"):
        fit(model)


def test_gradients_of_the_second_replica_may_be_infinite(two_replicas):
    # Since pull request 18691, which mended issue 18666.
    with two_replicas.scope():
        optimizer = keras.optimizers.LossScaleOptimizer(
            keras.optimizers.SGD(0.1)
        )
    model = make(strategy=two_replicas, optimizer=optimizer)
    before = model.get_weights()
    fit(model, [[np.inf], [1.0]])
    for weight, first in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, first)
    fit(model, [[1.0], [np.inf]])
    assert not np.isfinite(model.get_weights()[0]).any()


# Keras warns of the end of a data set whose length it does not know.
@pytest.mark.filterwarnings("ignore:Your input ran out of data")
def test_a_built_model_is_built_with_a_batch_of_the_epoch(two_replicas):
    model = make(strategy=two_replicas)
    assert model.built
    starts = []

    def images():
        starts.append(True)
        yield np.ones((2, 1), "float32"), np.ones((2, 1), "float32")

    of_batch = tf.TensorSpec((2, 1))
    dataset = tf.data.Dataset.from_generator(
        images, output_signature=(of_batch, of_batch)
    )
    model.fit(dataset, shuffle=False, verbose=0)
    # Read once to build the model, and once to train it.
    assert len(starts) == 2


def test_a_default_compilation_is_saved_as_this_machine_s_choice():
    config = make(jit_compile="auto").get_compile_config()
    assert config["jit_compile"] in (True, False)


def test_synchronised_batch_norm_stays_so_on_one_device(tmp_path):
    model = make(keras.layers.BatchNormalization(synchronized=True))
    assert saved_and_loaded(model, tmp_path).layers[0].synchronized
