import numpy as np
import pytest

from keras_dim import views

IMAGES = np.arange(40 * 6 * 7 * 2, dtype="float32").reshape(40, 6, 7, 2)


def test_flips_mirror_left_to_right():
    flipped = np.array(views.RandomFlip(seed=0)(IMAGES, training=True))
    is_flipped = [
        (after == before[:, ::-1]).all()
        for before, after in zip(IMAGES, flipped, strict=True)
    ]
    is_kept = [
        (after == before).all()
        for before, after in zip(IMAGES, flipped, strict=True)
    ]
    assert np.logical_xor(is_flipped, is_kept).all()
    # A fair coin of 40 throws: one seed in a million falls outside.
    assert 5 <= sum(is_flipped) <= 35


@pytest.mark.parametrize("probability, num_flipped", [(0.0, 0), (1.0, 40)])
def test_the_requested_share_of_images_is_mirrored(probability, num_flipped):
    flip = views.RandomFlip(probability, seed=0)
    flipped = np.array(flip(IMAGES, training=True))
    changed = (flipped != IMAGES).any((1, 2, 3))
    assert changed.sum() == num_flipped


def test_nothing_is_mirrored_in_inference():
    flip = views.RandomFlip(1.0, seed=0)
    np.testing.assert_array_equal(flip(IMAGES, training=False), IMAGES)
