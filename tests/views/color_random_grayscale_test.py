import numpy as np
import pytest
from reference import color

from keras_dim import views

IMAGES = np.random.default_rng(0).integers(0, 256, (4000, 2, 3, 3), "uint8")


def test_the_requested_share_of_images_becomes_grey():
    layer = views.RandomGrayscale(0.25, seed=0)
    pixels = np.array(layer(IMAGES, training=True))
    is_grey = np.ptp(pixels, axis=-1).max((1, 2)) < 1e-3
    # Five standard deviations.
    assert is_grey.mean() == pytest.approx(0.25, abs=0.035)
    np.testing.assert_array_equal(pixels[~is_grey], IMAGES[~is_grey])
    grey = color.to_grayscale(IMAGES[is_grey].astype("float32"))
    np.testing.assert_allclose(
        pixels[is_grey], np.repeat(grey, 3, axis=-1), atol=1e-3
    )


def test_nothing_becomes_grey_in_inference():
    layer = views.RandomGrayscale(1.0, seed=0)
    np.testing.assert_array_equal(layer(IMAGES, training=False), IMAGES)


def test_images_without_colours_pass_through():
    images = IMAGES[..., :1]
    layer = views.RandomGrayscale(1.0, seed=0)
    np.testing.assert_array_equal(layer(images, training=True), images)
