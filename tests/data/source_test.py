"""Sources read images by index, and list those that they cannot read."""

import numpy as np
import pytest
from PIL import Image

import keras_dim.data


class Place(str):
    """A name that counts how often it is compared."""

    compared = 0

    def __eq__(self, other):
        Place.compared += 1
        return str.__eq__(self, other)

    __hash__ = str.__hash__


def test_many_damaged_images_are_not_compared_with_each_other(warnings):
    source = keras_dim.data.open_source(np.zeros((1, 4, 4, 3), np.uint8))
    for _ in range(2):
        for number in range(1000):
            source.skip(Place(number), "it is damaged")
    assert len(source.skipped) == len(warnings) == 1000
    # Comparing each with all earlier ones would take half a million.
    assert Place.compared < 5000


@pytest.mark.parametrize("kind", ["array", "larger array", "files"])
def test_images_are_read_by_their_indices(kind, tmp_path):
    grey = np.array([10, 20, 30, 40], np.uint8)
    images = np.broadcast_to(grey[:, None, None, None], (4, 4, 4, 1))
    source, size = np.array(images), None
    if kind == "larger array":
        source, size = images.repeat(2, axis=1).repeat(2, axis=2), 4
    elif kind == "files":
        for number, image in enumerate(images):
            Image.fromarray(image[..., 0]).save(tmp_path / f"{number}.png")
        source = tmp_path
    source = keras_dim.data.open_source(source, image_size=size)
    batch = source.read(np.array([2, 0]))
    np.testing.assert_array_equal(batch["image"], images[[2, 0]])
    np.testing.assert_array_equal(batch["index"], [2, 0])
    assert len(source.read(np.array([], int))["image"]) == 0
