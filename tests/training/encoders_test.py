"""Encoders are loaded from any place, and converted to float32."""

import keras
import numpy as np
import pytest
from tiny_encoder import pixels
from tiny_encoder import tiny_encoder

from keras_dim import layers
from keras_dim import methods
from keras_dim.training import in_float32
from keras_dim.training import load_encoder


@pytest.fixture
def images():
    return pixels(np.random.default_rng(0), 3)


def outputs(encoder, images):
    return encoder.predict(images, verbose=0)["global"]


def test_an_encoder_for_use_computes_in_float32(images):
    keras.config.set_dtype_policy("mixed_bfloat16")
    trained = tiny_encoder()
    keras.config.set_dtype_policy("float32")
    ours = in_float32(trained)

    assert trained.output["fc"].dtype == "bfloat16"
    assert ours.output["fc"].dtype == "float32"
    for one, other in zip(
        ours.get_weights(), trained.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    # bfloat16 has 8 bits, and the rounding of three layers adds up.
    np.testing.assert_allclose(
        outputs(ours, images),
        outputs(trained, images).astype("float32"),
        atol=0.05,
    )


def test_networks_within_an_encoder_compute_in_float32_too(images):
    keras.config.set_dtype_policy("mixed_bfloat16")
    inner = keras.layers.BatchNormalization(synchronized=True)
    network = keras.Sequential([keras.Input((8, 8, 3)), inner])
    image = keras.Input((8, 8, 3))
    trained = keras.Model(image, {"global": network(image)})
    keras.config.set_dtype_policy("float32")
    (ours,) = in_float32(trained).layers[-1].layers[-1:]

    assert inner.compute_dtype == "bfloat16"
    assert ours.compute_dtype == "float32"
    assert not ours.synchronized


def test_batch_norms_are_no_longer_synchronized():
    image = keras.Input((8, 8, 3))
    norm = keras.layers.BatchNormalization(synchronized=True)(image)
    ours = in_float32(keras.Model(image, {"norm": norm}))

    assert not ours.layers[-1].synchronized


def test_operations_of_keras_are_copied_too():
    image = keras.Input((8, 8, 3))
    padded = keras.ops.pad(image, [[0, 0], [0, 0], [0, 0], [0, 2]])
    encoder = keras.Model(
        image, {"global": keras.layers.Dense(2)(padded)[:, 0, 0]}
    )
    images = np.ones((2, 8, 8, 3), "float32")

    np.testing.assert_array_equal(
        in_float32(encoder)(images)["global"], encoder(images)["global"]
    )


def test_a_run_a_file_and_a_whole_method_give_the_encoder(tmp_path, images):
    encoder = tiny_encoder()
    encoder.save(tmp_path / "encoder.keras")
    critic = layers.DotProductCritic(units=4)
    whole = methods.DeepInfoMax(encoder, critic=critic)
    whole.save(tmp_path / "whole.keras")

    for where in ("", "encoder.keras", "whole.keras"):
        np.testing.assert_array_equal(
            outputs(load_encoder(tmp_path / where), images),
            outputs(encoder, images),
        )


def test_a_run_that_has_not_finished_gives_its_last_checkpoint(
    tmp_path, images, caplog
):
    encoder = tiny_encoder()
    whole = methods.DeepInfoMax(
        encoder, critic=layers.DotProductCritic(units=4)
    )
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "recipe.json").touch()
    whole.save(tmp_path / "checkpoints" / "epoch_00002_step_00000005.keras")

    np.testing.assert_array_equal(
        outputs(load_encoder(tmp_path), images), outputs(encoder, images)
    )
    assert "has not finished" in caplog.text
    assert "after 2 epochs and 5 steps" in caplog.text


@pytest.mark.parametrize(
    ("name", "content", "error", "message"),
    [
        ("x.keras", None, FileNotFoundError, "no run, no file and no preset"),
        ("x.keras", b"text", ValueError, "not a whole .keras file"),
        (
            "recipe.json",
            b"{}",
            ValueError,
            "no checkpoint yet. Go on with: keras-dim pretrain --resume",
        ),
        ("notes.txt", b"text", ValueError, "neither a run nor a preset"),
    ],
)
def test_files_without_an_encoder_are_refused(
    tmp_path, name, content, error, message
):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    where = tmp_path / name if name == "x.keras" else tmp_path

    with pytest.raises(error, match=message):
        load_encoder(where)
