import keras
import numpy as np
import pytest

from keras_dim import views


def make(num_crops=3):
    return views.MultiCrop(
        [views.RandomCrop(4, seed=1)],
        num_crops,
        shared=[views.RandomFlip(seed=2)],
    )


def images():
    return np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3), "uint8")


def test_each_view_is_drawn_anew():
    found = make()(images(), training=True)
    assert list(found) == list(make().names) == ["view_1", "view_2", "view_3"]
    assert all(view.shape == (5, 4, 4, 3) for view in found.values())
    assert not np.array_equal(found["view_1"], found["view_2"])
    assert not np.array_equal(found["view_2"], found["view_3"])


def test_in_inference_all_views_are_equal():
    found = make()(images())
    np.testing.assert_array_equal(found["view_1"], found["view_3"])


def test_each_image_is_mirrored_in_all_views_or_in_none():
    images = np.zeros((40, 4, 4, 1), "uint8")
    images[:, :, 0] = 255
    layer = views.MultiCrop([], 3, shared=[views.RandomFlip(seed=2)])
    found = layer(images, training=True)
    is_mirrored = [
        np.array(view)[:, 0, -1, 0] == 255 for view in found.values()
    ]
    assert 0 < is_mirrored[0].sum() < 40
    for other in is_mirrored[1:]:
        np.testing.assert_array_equal(is_mirrored[0], other)


def test_views_belong_to_their_images():
    images = np.arange(5, dtype="uint8").reshape(5, 1, 1, 1)
    images = np.broadcast_to(images, (5, 8, 8, 1))
    for view in make()(images, training=True).values():
        assert (np.array(view) == images[:, :4, :4]).all()


def test_it_is_restored_from_its_config():
    layer = make()
    config = keras.saving.serialize_keras_object(layer)
    copy = keras.saving.deserialize_keras_object(config)
    assert copy.num_crops == 3
    expected = layer(images(), training=True)
    for name, view in copy(images(), training=True).items():
        np.testing.assert_array_equal(view, expected[name])


def test_a_single_crop_is_refused():
    with pytest.raises(ValueError, match="`num_crops`.*2 or more"):
        make(1)
