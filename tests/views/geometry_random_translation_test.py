import numpy as np
import pytest

from keras_dim import views

# The value of each pixel is its place.
PLACES = np.stack(np.indices((9, 10)), axis=-1)[None]


def translations(num_images, **arguments):
    """Returns how far down and right each of many images has moved."""
    layer = views.RandomTranslation(seed=0, **arguments)
    images = np.tile(PLACES, (num_images, 1, 1, 1)).astype("uint8")
    moved = np.array(layer(images, training=True)).astype(int)
    # There are no reflected pixels in the middle.
    return PLACES[:, 4, 4] - moved[:, 4, 4]


def test_every_translation_is_as_likely_as_the_next():
    moves = translations(10_000, max_pixels=2)
    _, counts = np.unique(moves, axis=0, return_counts=True)
    chi_squared = np.sum((counts - 400) ** 2 / 400)
    assert len(counts) == 25
    # 24 degrees of freedom: one seed in a million goes above.
    assert chi_squared < 72


def test_the_requested_share_of_images_moves():
    moves = translations(10_000, max_pixels=4, probability=0.8)
    stay = (moves == 0).all(axis=1).mean()
    # One in 81 of the images that are moved has a move of zero. The tolerance
    # is five standard deviations.
    assert stay == pytest.approx(0.2 + 0.8 / 81, abs=0.02)


def test_the_border_is_filled_by_the_reflection_without_the_edge():
    layer = views.RandomTranslation(4, seed=0)
    image = np.random.default_rng(0).integers(0, 256, (9, 10, 3), "uint8")
    moved = np.array(layer(np.stack([image] * 200), training=True))
    padded = np.pad(image, [(4, 4), (4, 4), (0, 0)], "reflect")
    possible = {
        padded[top : top + 9, left : left + 10].tobytes()
        for top in range(9)
        for left in range(9)
    }
    assert len(possible) == 81
    found = {one.tobytes() for one in moved}
    assert found <= possible
    assert len(found) > 40


def test_nothing_moves_in_inference():
    image = PLACES.astype("float32")
    layer = views.RandomTranslation(4, seed=0)
    np.testing.assert_array_equal(layer(image, training=False), image)


def test_a_translation_beyond_the_reflection_is_refused():
    with pytest.raises(ValueError, match="max_pixels.*Received: 9"):
        views.RandomTranslation(9)(PLACES, training=True)


def test_a_negative_translation_is_refused():
    with pytest.raises(
        ValueError, match="`max_pixels` must be an integer, 0 or more"
    ):
        views.RandomTranslation(-1)
