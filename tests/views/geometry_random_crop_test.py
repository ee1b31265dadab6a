import numpy as np
import pytest

from keras_dim import views


def numbered_images(num_images=3, height=6, width=7, channels=2):
    """Images without equal pixels."""
    shape = (num_images, height, width, channels)
    return np.arange(np.prod(shape), dtype="float32").reshape(shape)


def corners_of(crops, images, size):
    """Finds the corner of each crop by comparing it with all boxes."""
    corners = []
    for crop, image in zip(np.array(crops), images, strict=True):
        found = [
            (top, left)
            for top in range(image.shape[0] - size + 1)
            for left in range(image.shape[1] - size + 1)
            if (image[top : top + size, left : left + size] == crop).all()
        ]
        assert len(found) == 1
        corners += found
    return np.array(corners)


def test_random_crops_are_parts_of_their_own_images():
    images = numbered_images(20)
    crops = views.RandomCrop(4, seed=0)(images, training=True)
    corners = corners_of(crops, images, 4)
    assert len(np.unique(corners, axis=0)) > 5


def test_every_corner_is_as_likely_as_the_next():
    num_images, num_corners = 6000, 3 * 4
    images = np.tile(numbered_images(1), (num_images, 1, 1, 1))
    crops = np.array(views.RandomCrop(4, seed=0)(images, training=True))
    # The first pixel identifies the corner.
    _, counts = np.unique(crops[:, 0, 0, 0], return_counts=True)
    expected = num_images / num_corners
    chi_squared = np.sum((counts - expected) ** 2 / expected)
    assert len(counts) == num_corners
    # 11 degrees of freedom: one seed in a million goes above.
    assert chi_squared < 49.1


def test_crops_are_centred_in_inference():
    images = numbered_images()
    crops = views.RandomCrop(4, seed=0)(images, training=False)
    np.testing.assert_array_equal(crops, images[:, 1:5, 1:5])


def test_padding_reflects_images_outwards():
    images = numbered_images(40)
    padded = np.pad(images, [(0, 0), (2, 2), (2, 2), (0, 0)], "reflect")
    crops = np.array(
        views.RandomCrop(6, padding=2, seed=0)(images, training=True)
    )
    at_corners = {
        (top, left): padded[:, top : top + 6, left : left + 6]
        for top in range(5)
        for left in range(6)
    }
    places = [
        [c for c, cut in at_corners.items() if (cut[i] == crops[i]).all()]
        for i in range(len(crops))
    ]
    assert all(places)
    assert len({corner for found in places for corner in found}) > 10


@pytest.mark.parametrize("size, padding", [(9, 1), (6, 6)])
def test_a_crop_that_does_not_fit_is_refused(size, padding):
    with pytest.raises(
        ValueError, match=f"crop of {size} pixels.*padding={padding}"
    ):
        views.RandomCrop(size, padding)(numbered_images(), training=True)
