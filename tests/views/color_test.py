import numpy as np
from PIL import Image

from keras_dim.views import color

IMAGES = np.random.default_rng(0).integers(0, 256, (24, 12, 10, 3), "uint8")


def test_planes_are_converted_back_to_images():
    planes = color.to_planes(IMAGES)
    np.testing.assert_array_equal(color.to_images(planes, IMAGES.shape), IMAGES)


def test_grey_values_equal_pillows():
    grey = np.array(color.grey(color.to_planes(IMAGES.astype("float32"))))
    expected = [np.asarray(Image.fromarray(i).convert("L")) for i in IMAGES]
    assert np.abs(grey - np.reshape(expected, grey.shape)).max() <= 1
