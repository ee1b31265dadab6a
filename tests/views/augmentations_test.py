import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_dim import views
from keras_dim.views import augmentations


def numbered_images(num_images=3, height=6, width=7, channels=2):
    """Images of which no two pixels are alike."""
    shape = (num_images, height, width, channels)
    return np.arange(np.prod(shape), dtype="float32").reshape(shape)


def corners_of(crops, images, size):
    """Where each crop was cut, by looking everywhere."""
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


def test_crops_equal_slices():
    images = numbered_images()
    tops, lefts = np.array([0, 2, 1]), np.array([3, 0, 2])
    crops = augmentations.crop(images, tops, lefts, 4)
    for crop, image, top, left in zip(crops, images, tops, lefts, strict=True):
        np.testing.assert_array_equal(
            crop, image[top : top + 4, left : left + 4]
        )


def test_random_crops_are_parts_of_their_own_images():
    images = numbered_images(20)
    crops = views.RandomCrop(4, seed=0)(images, training=True)
    corners = corners_of(crops, images, 4)
    assert len(np.unique(corners, axis=0)) > 5


def test_every_corner_is_as_likely_as_the_next():
    num_images, num_corners = 6000, 3 * 4
    images = np.tile(numbered_images(1), (num_images, 1, 1, 1))
    crops = np.array(views.RandomCrop(4, seed=0)(images, training=True))
    # A corner is known by its first pixel.
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


def test_flips_mirror_left_to_right_and_touch_nothing_else():
    images = numbered_images(40)
    flipped = np.array(views.RandomFlip(seed=0)(images, training=True))
    is_flipped = [
        (after == before[:, ::-1]).all()
        for before, after in zip(images, flipped, strict=True)
    ]
    is_kept = [
        (after == before).all()
        for before, after in zip(images, flipped, strict=True)
    ]
    assert np.logical_xor(is_flipped, is_kept).all()
    # A fair coin of 40 throws: one seed in a million falls outside.
    assert 5 <= sum(is_flipped) <= 35


@pytest.mark.parametrize("probability, num_flipped", [(0.0, 0), (1.0, 40)])
def test_flips_are_as_likely_as_asked_for(probability, num_flipped):
    images = numbered_images(40)
    flip = views.RandomFlip(probability, seed=0)
    flipped = np.array(flip(images, training=True))
    changed = (flipped != images).any((1, 2, 3))
    assert changed.sum() == num_flipped


def test_nothing_is_mirrored_in_inference():
    images = numbered_images()
    flip = views.RandomFlip(1.0, seed=0)
    np.testing.assert_array_equal(flip(images, training=False), images)


def pipelines():
    return {
        "crop": lambda: views.RandomCrop(4, padding=1, seed=3),
        "flip": lambda: views.RandomFlip(seed=3),
    }


@pytest.fixture(params=pipelines())
def make(request):
    return pipelines()[request.param]


@pytest.mark.parametrize("training", [True, False])
def test_eager_and_graph_are_the_same(make, training):
    images = numbered_images(8)
    eager, traced = make(), make()
    run = tf.function(
        lambda images: traced(images, training=training),
        input_signature=[tf.TensorSpec((None, 6, 7, 2))],
    )
    for _ in range(2):
        np.testing.assert_array_equal(
            run(images), eager(images, training=training)
        )


def test_every_call_draws_anew(make):
    images = numbered_images(8)
    layer = make()
    first, second = layer(images, training=True), layer(images, training=True)
    assert np.abs(first - second).max() > 0


def test_equal_seeds_draw_equally(make):
    images = numbered_images(8)
    np.testing.assert_array_equal(
        make()(images, training=True), make()(images, training=True)
    )


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_pixels_stay_float32_whatever_the_policy(make, policy):
    keras.config.set_dtype_policy(policy)
    pixels = make()(np.full((2, 6, 7, 2), 254.6, "float32"), training=True)
    np.testing.assert_array_equal(pixels, np.float32(254.6))


def test_bytes_stay_bytes(make):
    images = numbered_images(2).astype("uint8")
    pixels = make()(images, training=True)
    assert keras.backend.standardize_dtype(pixels.dtype) == "uint8"
    np.testing.assert_array_equal(
        pixels, make()(images.astype("float32"), training=True)
    )


def test_config_builds_the_same_augmentation(make):
    layer = make()
    copy = type(layer).from_config(layer.get_config())
    images = numbered_images(8)
    np.testing.assert_array_equal(
        copy(images, training=True), layer(images, training=True)
    )


def test_a_crop_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="crop of 9 pixels.*padding=1"):
        views.RandomCrop(9, padding=1)(numbered_images(), training=True)
