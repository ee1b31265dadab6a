import numpy as np

from keras_dim.views import geometry


def numbered_images(num_images=3, height=6, width=7, channels=2):
    """Images without equal pixels."""
    shape = (num_images, height, width, channels)
    return np.arange(np.prod(shape), dtype="float32").reshape(shape)


def test_crops_equal_slices():
    images = numbered_images()
    tops, lefts = np.int32([0, 2, 1]), np.int32([3, 0, 2])
    crops = geometry.crop(images, tops, lefts, 4, 4)
    for crop, image, top, left in zip(crops, images, tops, lefts, strict=True):
        np.testing.assert_array_equal(
            crop, image[top : top + 4, left : left + 4]
        )


def test_crops_beyond_the_edge_equal_slices_of_reflected_images():
    images = numbered_images()
    padded = np.pad(images, [(0, 0), (5, 5), (5, 5), (0, 0)], "reflect")
    tops, lefts = np.int32([0, 12, 3]), np.int32([13, 0, 4])
    crops = geometry.crop(images, tops - 5, lefts - 5, 4, 4)
    for crop, image, top, left in zip(crops, padded, tops, lefts, strict=True):
        np.testing.assert_array_equal(
            crop, image[top : top + 4, left : left + 4]
        )


def test_translations_equal_rolls_of_reflected_images():
    images = numbered_images(4)
    down, right = np.int32([0, 5, -5, 2]), np.int32([0, -6, 6, -1])
    moved = geometry.crop(images, -down, -right, 6, 7)
    for got, image, rows, columns in zip(
        moved, images, down, right, strict=True
    ):
        padded = np.pad(image, [(5, 5), (6, 6), (0, 0)], "reflect")
        rolled = np.roll(padded, (rows, columns), axis=(0, 1))
        # Far enough from the edge no pixel has been rolled around.
        np.testing.assert_array_equal(got, rolled[5:11, 6:13])
