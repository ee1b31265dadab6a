import numpy as np
import pytest
from PIL import Image
from PIL import ImageOps

from keras_dim import views

IMAGES = np.random.default_rng(0).integers(0, 256, (4000, 3, 2, 3), "uint8")
SOLARIZED = np.where(IMAGES < 100, IMAGES, 255 - IMAGES)


def test_the_requested_share_of_images_is_solarized():
    layer = views.RandomSolarize(100, probability=0.2, seed=0)
    pixels = np.array(layer(IMAGES, training=True))
    is_changed = (pixels != IMAGES).any((1, 2, 3))
    # Five standard deviations. No pixel of an image is bright once in 15,000.
    assert is_changed.mean() == pytest.approx(0.2, abs=0.032)
    np.testing.assert_array_equal(pixels[is_changed], SOLARIZED[is_changed])


def test_nothing_is_solarized_in_inference():
    layer = views.RandomSolarize(100, seed=0)
    np.testing.assert_array_equal(layer(IMAGES, training=False), IMAGES)


@pytest.mark.parametrize("threshold", [-1, 256, float("nan"), None])
def test_thresholds_outside_0_to_255_are_refused(threshold):
    with pytest.raises(ValueError, match="`threshold` must be from 0 to 255"):
        views.RandomSolarize(threshold)


@pytest.mark.parametrize("threshold", [0, 1, 77.5, 128, 255])
def test_solarized_pixels_equal_pillows(threshold):
    solarized = views.RandomSolarize(threshold)(IMAGES[:8], training=True)
    expected = [
        np.asarray(ImageOps.solarize(Image.fromarray(image), threshold))
        for image in IMAGES[:8]
    ]
    np.testing.assert_array_equal(solarized, expected)
