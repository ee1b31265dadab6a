import numpy as np
import pytest
from sklearn import datasets

import keras_dim.data


def test_the_splits_are_disjoint_and_stratified():
    train = keras_dim.data.open_source("digits", "train")
    test = keras_dim.data.open_source("digits", "test")
    assert (train.num_images, test.num_images) == (1437, 360)
    # 1,797 digits of ten classes, a fifth of each in the test set.
    share = np.bincount(test.labels) / np.bincount(
        np.concatenate([train.labels, test.labels])
    )
    np.testing.assert_allclose(share, 360 / 1797, atol=0.005)


def test_the_two_splits_are_all_of_the_digits():
    def rows(split):
        source = keras_dim.data.open_source("digits", split)
        return sorted(map(bytes, source.images))

    assert sorted(rows("train") + rows("test")) == rows("all")


def test_grey_levels_are_scaled_to_0_to_255():
    images = keras_dim.data.open_source("digits", "all").images
    levels = datasets.load_digits().images
    assert images.dtype == np.uint8
    assert (images.min(), images.max()) == (0, 255)
    np.testing.assert_allclose(images[..., 0], levels * 255 / 16, atol=0.5)


def test_digits_are_upsampled_on_request():
    dataset = keras_dim.data.load("digits", image_size=32, channels=3)
    assert dataset.element_spec["image"].shape == (128, 32, 32, 3)


def test_another_split_is_refused():
    with pytest.raises(ValueError, match="'validation'"):
        keras_dim.data.open_source("digits", "validation")
