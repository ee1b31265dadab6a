"""The presets give the features that they gave when they were published.

`python tests/presets/features_test.py` writes the numbers anew, from the
installed keras_dim: for a new preset only.
"""

import functools
import pathlib
import sys

import keras
import numpy as np
import pytest

import keras_dim
from keras_dim import model_files

STORED = pathlib.Path(__file__).parents[1] / "golden" / "preset_features.npz"
NUM_IMAGES = 4
# Of each feature, evenly spaced: maps have thousands of entries.
NUM_ENTRIES = 64


def sampled_features(name):
    """Returns some entries of every feature for images that need no file."""
    encoder = keras_dim.pretrained(name)
    height, width, channels = encoder.input_shape[1:]
    rows, columns = np.mgrid[:height, :width] / height
    waves = [
        127.5 + 127.5 * np.sin(2 * np.pi * (i * rows + (c + 1) * columns))
        for i in range(NUM_IMAGES)
        for c in range(channels)
    ]
    images = np.reshape(waves, (NUM_IMAGES, channels, height, width))
    images = np.moveaxis(images, 1, -1).astype("float32")
    sampled = {}
    for feature, values in encoder.predict(images, verbose=0).items():
        values = values.reshape(NUM_IMAGES, -1)
        step = max(values.shape[1] // NUM_ENTRIES, 1)
        sampled[f"{name}/{feature}"] = values[:, ::step]
    return sampled


@functools.cache
def loaded_features(name):
    return sampled_features(name)


def preset_names():
    return [preset["name"] for preset in keras_dim.list_pretrained()]


@pytest.mark.parametrize("name", preset_names())
def test_features_are_those_of_the_published_preset(name):
    with np.load(STORED) as stored:
        expected = {key: stored[key] for key in stored}
    for key, values in loaded_features(name).items():
        scale = np.abs(expected[key]).max()

        # Processors with other instructions round differently: by 1.1e-6 of
        # the largest entry between AVX2 and AVX-512.
        np.testing.assert_allclose(
            values, expected[key], rtol=0, atol=5e-6 * scale, err_msg=key
        )


@pytest.mark.parametrize("name", preset_names())
def test_a_preset_rebuilt_from_its_config_gives_the_same_features(
    name, monkeypatch
):
    # As an older Keras does, which cannot read the file's layers.
    expected = loaded_features(name)

    def refuse(path):
        raise ValueError("an unknown layer")

    monkeypatch.setattr(model_files, "load_model", refuse)
    monkeypatch.setattr(keras, "__version__", "3.10.0")
    for key, values in sampled_features(name).items():
        np.testing.assert_array_equal(values, expected[key], key)


if __name__ == "__main__":
    found = {}
    for preset_name in preset_names():
        found |= sampled_features(preset_name)
    np.savez_compressed(STORED, **found)
    sys.stdout.write(f"{len(found)} features written to {STORED}\n")
