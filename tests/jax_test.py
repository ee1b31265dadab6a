"""On JAX, without TensorFlow, results equal those on TensorFlow."""

import json
import os
import pathlib
import subprocess
import sys

import jax_worker
import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny
import tiny_bank_method
import tiny_optimizers

import keras_dim.data
from keras_dim import distribution
from keras_dim import methods
from keras_dim.data import reading

TESTS = pathlib.Path(__file__).parent
# Sums in another order differ in the last of seven digits; training steps
# increase the difference.
TOLERANCE = 1e-4


def dataset(name):
    """The batches of `jax_worker.arguments`, for TensorFlow."""
    batches = tf.data.Dataset.from_tensor_slices(jax_worker.batch(name))
    return batches.batch(tiny.BATCH_SIZE, drop_remainder=True)


@pytest.fixture(scope="module")
def given_draws():
    """Makes both backends draw the same random numbers."""
    with pytest.MonkeyPatch.context() as patch:
        jax_worker.give_draws(patch.setattr)
        yield


def save(folder, names):
    for name in names:
        model = tiny.make(name)
        model.optimizer.build(model.trainable_variables)
        model.save(folder / f"{name}.keras")


def run_worker(folder, *arguments):
    """Returns the results of `jax_worker.py`."""
    pytest.importorskip("jax", reason="comes with the extra `test`")
    done = subprocess.run(
        [sys.executable, TESTS / "jax_worker.py", folder, *arguments],
        env=os.environ
        | {
            "KERAS_BACKEND": "jax",
            "JAX_PLATFORMS": "cpu",
            # XLA need not optimise programs that run once.
            "XLA_FLAGS": "--xla_backend_optimization_level=0",
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=1800,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads((folder / "results.json").read_text())


@pytest.fixture(scope="module")
def folder(tmp_path_factory, two_replicas):
    """The folder with methods and images that TensorFlow saved."""
    folder = tmp_path_factory.mktemp("jax")
    save(folder, jax_worker.METHODS)
    (folder / "of_replicas").mkdir()
    model = tiny.make(jax_worker.OF_REPLICAS, two_replicas)
    model._maybe_symbolic_build()
    model.save(folder / "of_replicas" / f"{jax_worker.OF_REPLICAS}.keras")
    (folder / "bank").mkdir()
    model = tiny_bank_method.make()
    model.optimizer.build(model.trainable_variables)
    model.save(folder / "bank" / "bank.keras")
    jax_worker.write_photos(folder)
    return folder


@pytest.fixture(scope="module")
def results(folder):
    """The results of one process, because its start takes the longest time."""
    return run_worker(folder)


@pytest.fixture(scope="module")
def more(tmp_path_factory):
    """The folder of further methods, and the results of a process."""
    folder = tmp_path_factory.mktemp("more")
    save(folder, jax_worker.MORE_METHODS)
    return folder, run_worker(folder, "methods")


@pytest.fixture(params=jax_worker.METHODS)
def name(request):
    return request.param


def assert_close(found, expected):
    assert set(found) == set(expected)
    for term, value in expected.items():
        np.testing.assert_allclose(
            found[term], value, rtol=TOLERANCE, atol=1e-5, err_msg=term
        )


def evaluate(model, name):
    # Compiling a step would take longer.
    model.run_eagerly = True
    return model.evaluate(dataset(name), verbose=0, return_dict=True)


def test_every_method_is_in_the_worker():
    names = jax_worker.METHODS + jax_worker.MORE_METHODS
    tried = {type(tiny.METHODS[name]()) for name in names}
    assert tried == set(methods.METHODS.values())


def test_tensorflow_was_not_imported(results):
    assert results["modules"] == []


def assert_method_agrees(name, folder, results):
    """Asserts equal losses, training steps, and files of the trained method."""
    found = results["methods"][name]
    model = keras.models.load_model(folder / f"{name}.keras")
    assert_close(found["before"], evaluate(model, name))
    assert found["jit_compile"] is True
    model = keras.models.load_model(folder / f"{name}.keras")
    history = model.fit(
        dataset(name), epochs=jax_worker.NUM_EPOCHS, verbose=0
    ).history
    assert len(history["loss"]) == jax_worker.NUM_EPOCHS
    assert_close(found["history"], history)
    model = keras.models.load_model(folder / "trained" / f"{name}.keras")
    assert int(model.optimizer.iterations) == 2 * jax_worker.NUM_EPOCHS
    assert_close(evaluate(model, name), found["after"])


def test_a_method_equals_that_of_tensorflow(name, folder, results, given_draws):
    assert_method_agrees(name, folder, results)


@pytest.mark.slow
@pytest.mark.parametrize("name", jax_worker.MORE_METHODS)
def test_further_methods_equal_those_of_tensorflow(name, more, given_draws):
    assert_method_agrees(name, *more)


def test_banks_and_averages_equal_those_of_tensorflow(folder, results):
    model = keras.models.load_model(folder / "bank" / "bank.keras")
    before = [np.array(weight) for weight in model.weights]
    np.testing.assert_allclose(
        results["bank"], tiny_bank_method.fit(model), rtol=1e-4
    )
    loaded = keras.models.load_model(folder / "bank" / "trained.keras")
    for one, other, first in zip(
        loaded.weights, model.weights, before, strict=True
    ):
        # Ten training steps increase the difference in the last digits.
        np.testing.assert_allclose(
            one, other, rtol=1e-3, atol=1e-5, err_msg=one.path
        )
        assert not np.array_equal(other, first), one.path


def test_a_checkpoint_of_several_replicas_is_loaded(results):
    # Keras supports synchronised batch norm on TensorFlow only.
    terms = results["of_replicas"]
    assert_close(terms, results["methods"][jax_worker.OF_REPLICAS]["before"])


@pytest.mark.parametrize("name", tiny_optimizers.EACH)
def test_optimizers_equal_those_on_tensorflow(name, results):
    make = tiny_optimizers.EACH[name]
    model = tiny_optimizers.model(make(tiny_optimizers.schedule()))
    expected = tiny_optimizers.fit(model, 2)
    for one, other in zip(results["optimizers"][name], expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_detecting_bfloat16_units_works_without_a_gpu(results):
    # On JAX, Keras's list of GPUs is an error if there are none.
    found = results["has_bfloat16_units"]
    assert found == distribution.has_bfloat16_units()


def test_bfloat16_trains(results):
    losses = results["precisions"]
    # With eight bits, the scores and the loss differ by some hundredths.
    assert losses["mixed_bfloat16"] == pytest.approx(losses["float32"], rel=0.1)
    assert losses["mixed_bfloat16"] != losses["float32"]


def test_fit_takes_a_folder_in_the_order_of_tensorflow(
    folder, results, monkeypatch
):
    monkeypatch.setattr(reading, "HELD_BYTES", 0)
    expected = keras_dim.data.load(
        folder / "photos", batch_size=8, seed=5, first_epoch=2
    )
    expected = [b["index"].numpy().tolist() for _ in range(2) for b in expected]
    assert len(expected) == 4
    assert results["data"]["batches"] == expected
    (skipped,) = results["data"]["skipped"]
    assert skipped.endswith("19.png")
    # 19 of 20 images are whole; six numbers describe each.
    assert results["data"]["predicted"] == [19, 6]
    # With a probe between the steps.
    assert all(0 <= value <= 1 for value in results["data"]["online"])


def test_features_that_need_tensorflow_are_refused_in_one_line(results):
    refused = results["data"]["refused"]
    assert len(refused) == 3
    for source, message in refused.items():
        assert f"{source!r} is read as" in message
        assert "Install tensorflow, or pass a folder" in message
        assert "\n" not in message


def test_a_run_writes_its_files_except_for_tensorboard(results):
    assert results["training"]["files"] == [
        "checkpoints",
        "curves.png",
        "encoder.keras",
        "log.csv",
        "metrics.json",
        "recipe.json",
        "untrained_encoder.keras",
        "views.png",
    ]


def test_a_resumed_run_ends_with_the_weights_of_an_unbroken_one(
    folder, results
):
    # It was stopped within an epoch, by SIGTERM.
    stopped_at = results["training"]["stopped_at"]
    assert stopped_at == "epoch_00000_step_00000005.keras"
    whole, broken = (
        keras.models.load_model(folder / run / "encoder.keras").get_weights()
        for run in ("whole", "broken")
    )
    for one, other in zip(whole, broken, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_run_is_scored_and_its_encoder_used(folder, results):
    scores = results["training"]["scores"]
    # Three probes of two features; raw pixels do not depend on the backend.
    assert len(scores) == 6
    assert scores[0]["raw_pixels"] > 0.9
    assert results["training"]["embedded"] == {
        "num_images": 20,
        "num_skipped": 0,
        "width": 6,
    }
    assert results["training"]["exit_code_of_probe"] == 0
    encoder = keras.models.load_model(folder / "whole" / "encoder.keras")
    images = keras_dim.data.load(folder / "grey", "all", 20)
    expected = encoder(next(iter(images))["image"])["fc"]
    features = np.load(folder / "embedded" / "features.npy")
    np.testing.assert_allclose(features, expected, rtol=1e-4, atol=1e-5)
    shards = keras_dim.training.read_embedding(folder / "sharded")
    assert len(shards) == 3
    np.testing.assert_allclose(
        np.concatenate(shards), features, rtol=1e-4, atol=1e-5
    )
