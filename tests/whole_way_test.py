"""Train, score, export, and load without the package, as in the README."""

import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from keras_dim import data
from keras_dim.cli import main

ROOT = pathlib.Path(__file__).parents[1]
# Loads both files without keras_dim.
ELSEWHERE = """
import sys

class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "keras_dim":
            raise ImportError(f"{name} is blocked by a test")

sys.meta_path.insert(0, Block())

import keras
import numpy as np
import tensorflow as tf

images = np.load("images.npy")
served = tf.saved_model.load("model/1").signatures["serving_default"]
features = {name: x.numpy() for name, x in served(images=images).items()}
np.savez("served.npz", **features)
encoder = keras.models.load_model("run/encoder.keras")
np.savez("loaded.npz", **encoder.predict(images, batch_size=64, verbose=0))
assert not any(name.startswith("keras_dim") for name in sys.modules)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run on the bundled digits, of fewer epochs than the default."""
    folder = tmp_path_factory.mktemp("whole_way")
    arguments = ["--directory", str(folder / "run"), "--epochs", "2"]
    assert main.run(["pretrain", *arguments]) == 0
    return folder


@pytest.fixture(scope="module")
def elsewhere(folder):
    """Features of 64 test images, with and without keras_dim."""
    run, model = str(folder / "run"), str(folder / "model" / "1")
    assert main.run(["export", run, model]) == 0
    embed = ["--encoder", run, "--source", "digits", "--split", "test"]
    output = ["--output", str(folder / "features"), "--feature", "fc"]
    assert main.run(["embed", *embed, *output, "--batch_size", "64"]) == 0
    images = data.load("digits", "test", 64, image_size=28, channels=1)
    np.save(folder / "images.npy", next(iter(images))["image"].numpy())
    result = subprocess.run(
        [sys.executable, "-c", ELSEWHERE],
        cwd=folder,
        env={
            name: value
            for name, value in os.environ.items()
            if name != "PYTHONPATH"
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    here = np.load(folder / "features" / "features.npy", mmap_mode="r")[:64]
    return here, np.load(folder / "served.npz"), np.load(folder / "loaded.npz")


def find(folder, feature, num_train):
    metrics = json.loads((folder / "run" / "metrics.json").read_text())
    return next(
        score
        for score in metrics["scores"]
        if score["probe"] == "linear_probe"
        and score["feature"] == feature
        and score["num_train"] == num_train
    )


def test_with_few_labels_training_beats_pixels_and_no_training(folder):
    # Ten labels for each of ten classes, 360 test images, five draws. Measured:
    # two epochs are 3.5 points better than no training, twenty are 5 points.
    score = find(folder, "fc", 100)

    assert score["accuracy"] > score["untrained"] + 0.01
    assert score["accuracy"] > score["raw_pixels"] + 0.01


def test_with_all_labels_training_beats_pixels(folder):
    # Measured: 2.8 points better after two epochs, and after twenty.
    score = find(folder, "fc", 1437)

    assert score["accuracy"] > score["raw_pixels"]


def test_an_exported_encoder_has_equal_features_without_keras_dim(elsewhere):
    here, served, loaded = elsewhere

    assert sorted(served) == sorted(loaded) == ["conv", "fc", "global", "local"]
    # Sums of at most 6,272 products in float32, in any order.
    np.testing.assert_allclose(served["fc"], here, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(loaded["fc"], here, rtol=1e-4, atol=1e-5)
