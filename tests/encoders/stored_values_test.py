"""Encoders of stored values see the scale of 8 bits, and check what comes."""

import keras
import numpy as np
import pytest
from tiny_encoder import pixels
from tiny_encoder import tiny_encoder

import keras_dim
from keras_dim import encoders
from keras_dim import evaluation
from keras_dim import training
from keras_dim.batches import ValueRange

# 12 bits in 16, and a constant third band.
RANGE = ValueRange((0, 100, 7), (4095, 8000, 7), "uint16")


def stored(images):
    """Stored values of which `images` are the scale of 8 bits."""
    low, high = np.array(RANGE.low), np.array(RANGE.high)
    return (low + images / 255.0 * (high - low)).astype("float32")


@pytest.fixture(scope="module")
def encoder():
    keras.utils.set_random_seed(0)
    return tiny_encoder()


@pytest.fixture(scope="module")
def images():
    found = pixels(np.random.default_rng(0), 6)
    found[..., 2] = 0
    return found


def test_features_are_those_of_the_same_8_bit_images(encoder, images):
    wrapped = encoders.with_range(encoder, RANGE)

    expected = encoder.predict(images, verbose=0)
    found = wrapped.predict(stored(images), verbose=0)

    assert list(found) == list(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, atol=1e-5)


def test_the_range_stays_in_files_and_in_float32(encoder, images, tmp_path):
    wrapped = encoders.with_range(encoder, RANGE)
    training.in_float32(wrapped).save(tmp_path / "a.keras")
    # Plain layers of Keras: no name of keras_dim is needed to load it.
    loaded = keras.saving.load_model(tmp_path / "a.keras")

    found = encoders.value_range(loaded)
    assert found.dtype == "uint16"
    np.testing.assert_allclose(found.low, [0, 100, 0], atol=1e-9)
    np.testing.assert_allclose(found.high, [4095, 8000, 0])
    np.testing.assert_array_equal(
        loaded.predict(stored(images), verbose=0)["global"],
        wrapped.predict(stored(images), verbose=0)["global"],
    )
    assert encoders.value_range(encoder) is None
    image = keras.Input((8, 8, 3))
    outer = keras.Model(image, keras.layers.Dense(2)(loaded(image)["global"]))
    assert encoders.value_range(outer) == found


def test_what_does_not_fit_is_refused(encoder):
    with pytest.raises(ValueError, match="2 band.*takes 3"):
        encoders.with_range(encoder, ValueRange((0, 0), (1, 1)))
    with pytest.raises(ValueError, match="already"):
        encoders.with_range(encoders.with_range(encoder, RANGE), RANGE)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v / 65535, "as they are stored"),
        (lambda v: 16 * v, "in other units"),
        (lambda v: np.where(v > 4000, np.nan, v), "must be finite"),
    ],
)
def test_every_door_refuses_other_values(encoder, images, change, message):
    wrapped = encoders.with_range(encoder, RANGE)
    model = keras_dim.DeepInfoMax(wrapped, critic="dot_product")
    model.compile("sgd")
    wrong = change(stored(images)).astype("float32")

    doors = (
        lambda: model.fit(wrong, verbose=0),
        lambda: model.predict(wrong, verbose=0),
        lambda: evaluation.extract(wrapped, wrong),
    )
    for door in doors:
        with pytest.raises(ValueError, match=message):
            door()


def test_another_number_of_bands_is_refused_by_fit(encoder, images):
    wrapped = encoders.with_range(encoder, RANGE)
    model = keras_dim.DeepInfoMax(wrapped, critic="dot_product")
    model.compile("sgd")

    with pytest.raises(ValueError, match="of 3 band.*images of 2"):
        model.fit(stored(images)[..., :2], verbose=0)


def test_8_bit_images_are_warned_of_and_declared_ones_taken(encoder, images):
    wrapped = encoders.with_range(
        encoder, ValueRange((0,) * 3, (65535,) * 3, "uint16")
    )

    with pytest.warns(UserWarning, match="nearly constant"):
        evaluation.extract(wrapped, images)
    evaluation.extract(wrapped, images.astype("uint16") * 257)


def test_without_a_range_16_bits_are_refused_as_before(encoder, images):
    with pytest.raises(ValueError, match=r"raw pixels in \[0, 255\]"):
        evaluation.extract(encoder, images.astype("uint16") * 257)
