"""The baseline is the image, flattened and scaled."""

import numpy as np
import pytest
from tiny_encoder import pixels

from keras_dim.evaluation import extract
from keras_dim.evaluation import raw_pixels
from keras_dim.evaluation import raw_pixels_encoder


def test_pixels_are_flattened_and_scaled():
    images = np.array([[[[0], [51]], [[102], [255]]]], "uint8")
    found = raw_pixels(images)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, [[0, 0.2, 0.4, 1]], rtol=1e-6)


def test_the_images_stay_as_they_are():
    images = np.full((2, 2, 2, 1), 255.0, "float32")
    raw_pixels(images)
    assert images.max() == 255


@pytest.mark.parametrize("value", [-1.0, 256.0, np.nan])
def test_what_is_not_a_pixel_is_refused(value):
    with pytest.raises(ValueError, match=r"\[0, 255\]"):
        raw_pixels(np.full((1, 2, 2, 1), value))


def test_the_encoder_of_raw_pixels_gives_the_same():
    images = pixels(np.random.default_rng(0), 5)
    found = extract(raw_pixels_encoder((8, 8, 3)), images, "raw_pixels")
    np.testing.assert_allclose(
        found["raw_pixels"], raw_pixels(images), rtol=1e-6
    )
