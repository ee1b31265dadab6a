"""Layers that hold state train on JAX as on TensorFlow."""

import json
import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
import tiny_bank_method

TESTS = pathlib.Path(__file__).parents[1]
# Sums in another order differ in the last of seven digits; ten steps of
# training carry that on.
TOLERANCE = {"rtol": 1e-3, "atol": 1e-5}


def test_jax_equals_tensorflow(tmp_path):
    pytest.importorskip("jax", reason="comes with the extra `test`")
    model = tiny_bank_method.make()
    model.optimizer.build(model.trainable_variables)
    model.save(tmp_path / "bank.keras")
    before = [np.array(weight) for weight in model.weights]
    done = subprocess.run(
        [sys.executable, str(TESTS / "layers_on_jax.py"), str(tmp_path)],
        env=os.environ | {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    losses = tiny_bank_method.fit(model)
    on_jax = json.loads((tmp_path / "losses.json").read_text())
    np.testing.assert_allclose(on_jax, losses, rtol=1e-4)
    loaded = keras.models.load_model(tmp_path / "trained.keras")
    for one, other, first in zip(
        loaded.weights, model.weights, before, strict=True
    ):
        np.testing.assert_allclose(one, other, **TOLERANCE, err_msg=one.path)
        assert not np.array_equal(other, first), one.path


def test_a_bank_and_an_average_are_resumed_to_the_bit(tmp_path):
    unbroken, broken = tiny_bank_method.make(), tiny_bank_method.make()
    tiny_bank_method.fit(unbroken, epochs=2)
    tiny_bank_method.fit(broken, epochs=1)
    broken.save(tmp_path / "method.keras")
    resumed = keras.models.load_model(tmp_path / "method.keras")
    tiny_bank_method.fit(resumed, epochs=1)
    for one, other in zip(resumed.weights, unbroken.weights, strict=True):
        np.testing.assert_array_equal(one, other, err_msg=one.path)
