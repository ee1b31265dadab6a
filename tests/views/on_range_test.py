"""Views of stored values are views of 8 bits, on another scale."""

import keras
import numpy as np
import pytest
from tiny_encoder import tiny_encoder

import keras_dim
from keras_dim import encoders
from keras_dim import views
from keras_dim.batches import ValueRange

LOW, HIGH = np.array([-100.0, 0.0]), np.array([900.0, 60_000.0])
IMAGES = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 2))


def stored(images):
    return (LOW + images / 255.0 * (HIGH - LOW)).astype("float32")


def test_views_are_made_on_the_scale_of_8_bits():
    of_pixels = views.any_bands(8, seed=1)
    of_stored = views.OnRange(views.any_bands(8, seed=1), LOW, HIGH)

    expected = of_pixels(IMAGES, training=True)
    found = of_stored(stored(IMAGES), training=True)

    assert list(found) == list(expected) and of_stored.names == of_pixels.names
    for name, view in expected.items():
        np.testing.assert_allclose(
            (found[name] - LOW) / (HIGH - LOW) * 255, view, atol=2e-3
        )


def test_constant_bands_stay():
    layer = views.OnRange(views.SingleView(), [7, 0], [7, 10])
    images = np.full((1, 2, 2, 2), 7.0)

    np.testing.assert_allclose(layer(images)["image"], images, rtol=1e-6)


def test_methods_put_it_around_their_views_once(tmp_path):
    encoder = encoders.with_range(
        tiny_encoder(channels=2), ValueRange(tuple(LOW), tuple(HIGH))
    )
    model = keras_dim.SimCLR(encoder, views=views.any_bands(8))
    model.save(tmp_path / "a.keras")
    loaded = keras.saving.load_model(tmp_path / "a.keras")

    assert isinstance(loaded.views, views.OnRange)
    assert isinstance(loaded.views.views, views.TwoViews)
    assert loaded.view_names == ("view_1", "view_2")


def test_the_picture_is_on_the_scale_of_8_bits():
    layer = views.OnRange(views.SingleView(), LOW, HIGH)
    images = np.full((1, 96, 96, 2), 400.0)

    shown = np.asarray(views.show_views(layer, images))

    # 400 is half of -100 to 900: a grey of 127.5 in the middle of the image.
    assert shown[64, 52, 0] == pytest.approx(127.5, abs=1)
