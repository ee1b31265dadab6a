"""An encoder that was saved alone needs Keras alone."""

import subprocess
import sys

import keras
import numpy as np
import pytest

from keras_dim import encoders

MAKERS = {
    "amdim_resnet": lambda: encoders.amdim_resnet(
        128, 2, 16, 2, use_batch_norm=True
    ),
    "convnet": lambda: encoders.dim_convnet(
        32, filters=(4, 6, 8), units=8, variational=True
    ),
    "alexnet": lambda: encoders.dim_alexnet(40, units=8),
    "folded_alexnet": lambda: encoders.folded_dim_alexnet(32, units=8),
    "multiple_globals": lambda: encoders.folded_dim_alexnet(
        48, multiple_globals=True
    ),
    "folded_resnet": lambda: encoders.dim_resnet(16, folded=True, units=8),
}
READER = """
import sys
sys.modules["keras_dim"] = None  # importing it fails
import keras
import numpy as np
folder = sys.argv[1]
for name in sys.argv[2:]:
    encoder = keras.models.load_model(f"{folder}/{name}.keras")
    images = np.load(f"{folder}/{name}_images.npy")
    features = encoder(images)
    np.savez(f"{folder}/{name}_features.npz", **features)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("encoders")
    rng = np.random.default_rng(0)
    for name, make in MAKERS.items():
        keras.utils.set_random_seed(0)
        encoder = make()
        images = rng.integers(0, 256, (2, *encoder.input_shape[1:]), "uint8")
        # Running statistics that a new network would not have.
        encoder(images, training=True)
        encoder.save(folder / f"{name}.keras")
        np.save(folder / f"{name}_images.npy", images)
        np.savez(folder / f"{name}_expected.npz", **encoder(images))
    subprocess.run(
        [sys.executable, "-c", READER, folder, *MAKERS], check=True, timeout=300
    )
    return folder


@pytest.mark.parametrize("name", MAKERS)
def test_a_saved_encoder_gives_its_features_without_keras_dim(name, folder):
    features = np.load(folder / f"{name}_features.npz")
    expected = np.load(folder / f"{name}_expected.npz")
    assert set(features) == set(expected)
    for feature in expected:
        np.testing.assert_allclose(
            features[feature], expected[feature], rtol=1e-5, atol=1e-6
        )
