import numpy as np
import pytest
from scipy import ndimage
from sklearn import datasets

from keras_dim import curation


@pytest.fixture(scope="module")
def photographs():
    """Twelve parts of scikit-learn's two photographs, 128 x 128."""
    return np.stack(
        [
            image[top : top + 256 : 2, left : left + 256 : 2]
            for image in datasets.load_sample_images().images
            for top in (0, 150)
            for left in (0, 180, 360)
        ]
    )


def flagged(images, name, sizes=None, limits=None):
    found = curation.defects(curation.measure(images), sizes, limits)
    return np.flatnonzero(found[name][1]).tolist()


def test_good_photographs_have_no_defects(photographs):
    sizes = np.full((len(photographs), 2), 128)
    found = curation.defects(curation.measure(photographs), sizes)

    assert found.keys() == curation.DEFECTS.keys()
    assert [name for name, (_, flags) in found.items() if flags.any()] == []


CHANGES = {
    "dark": lambda image: image // 8,
    "bright": lambda image: 255 - (255 - image) // 8,
    "blurred": lambda image: ndimage.gaussian_filter(image, (2, 2, 0)),
    "low_information": lambda image: image // 128 * 200,
    "grey": lambda image: np.repeat(image[..., :1], 3, axis=-1),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_planted_defect_is_found_and_nothing_else(photographs, name):
    images = photographs.copy()
    for row in (3, 8):
        images[row] = CHANGES[name](images[row])

    assert flagged(images, name) == [3, 8]


def test_grey_images_among_grey_ones_are_no_defect(photographs):
    grey = np.repeat(photographs[..., :1], 3, axis=-1)

    assert flagged(grey, "grey") == []
    assert flagged(photographs[..., :1], "grey") == []


def test_blank_images_have_no_information_and_no_blur():
    measures = curation.measure(np.full((1, 16, 16, 3), 127, np.uint8))

    assert measures["low_information"] == 0
    assert measures["blurred"] == 0


def test_entropy_of_two_equal_halves_is_one_bit():
    image = np.zeros((1, 8, 8), np.uint8)
    image[:, :4] = 255

    assert curation.measure(image)["low_information"] == 1


def test_odd_sizes_and_aspects_are_found():
    images = np.zeros((5, 8, 8), np.uint8)
    sizes = [[100, 100], [120, 90], [30, 30], [400, 350], [60, 200]]

    assert flagged(images, "odd_size", sizes) == [2, 3]
    assert flagged(images, "odd_aspect", sizes) == [4]
    assert flagged(images, "odd_size", sizes, {"odd_size": 3.5}) == [3]


def test_other_limits_and_sizes_are_checked():
    measures = curation.measure(np.zeros((2, 8, 8), np.uint8))

    with pytest.raises(ValueError, match="Did you mean 'dark'"):
        curation.defects(measures, limits={"darc": 1})
    with pytest.raises(ValueError, match="positive"):
        curation.defects(measures, sizes=[[1, 1], [0, 1]])
    with pytest.raises(ValueError, match="NaN for .'dark'."):
        curation.defects(measures, limits={"dark": np.nan})
    with pytest.raises(ValueError, match="odd_size.*shape"):
        curation.defects(measures, sizes=np.ones((3, 2)))
