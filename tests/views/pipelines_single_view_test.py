import keras
import numpy as np

from keras_dim import views
from keras_dim.views.pipelines import seeds_from

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3), "uint8")


def test_without_augmentations_images_are_left_as_they_are():
    for view in (views.SingleView(), views.dim()):
        for training in (True, False):
            image = view(IMAGES, training=training)["image"]
            np.testing.assert_array_equal(image, IMAGES)


def test_augmentations_follow_one_another():
    view = views.dim(crop_size=4, crop_padding=1, flip=True, seed=0)
    crop_seed, flip_seed = seeds_from(0, 2)
    crop, flip = (
        views.RandomCrop(4, padding=1, seed=crop_seed),
        views.RandomFlip(seed=flip_seed),
    )
    expected = flip(crop(IMAGES, training=True), training=True)
    np.testing.assert_array_equal(
        view(IMAGES, training=True)["image"], expected
    )
    assert view(IMAGES, training=False)["image"].shape == (6, 4, 4, 3)


def test_config_builds_the_same_view():
    view = views.dim(crop_size=4, flip=True, seed=5)
    copy = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(view)
    )
    np.testing.assert_array_equal(
        copy(IMAGES, training=True)["image"],
        view(IMAGES, training=True)["image"],
    )
