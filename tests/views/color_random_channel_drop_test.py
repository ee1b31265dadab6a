import numpy as np
import pytest

from keras_dim import views

IMAGES = np.random.default_rng(0).integers(0, 256, (3000, 2, 3, 3), "uint8")


def test_one_channel_is_kept_in_the_requested_share_of_images():
    layer = views.RandomChannelDrop(0.6, seed=0)
    pixels = np.array(layer(IMAGES, training=True))

    # Which channels are as before, for each image.
    kept = (pixels == IMAGES).all(axis=(1, 2))
    dropped = (pixels == 127.5).all(axis=(1, 2))
    assert (kept != dropped).all()
    assert set(kept.sum(axis=1)) == {1, 3}
    is_changed = kept.sum(axis=1) == 1
    # Five standard deviations.
    assert is_changed.mean() == pytest.approx(0.6, abs=0.045)
    shares = kept[is_changed].mean(axis=0)
    np.testing.assert_allclose(shares, np.full(3, 1 / 3), atol=0.056)


def test_nothing_is_dropped_in_inference():
    layer = views.RandomChannelDrop(seed=0)
    np.testing.assert_array_equal(layer(IMAGES, training=False), IMAGES)


def test_images_of_one_channel_pass_through():
    images = IMAGES[..., :1]
    layer = views.RandomChannelDrop(seed=0)
    np.testing.assert_array_equal(layer(images, training=True), images)


def test_any_number_of_channels_is_reduced_to_one():
    images = np.concatenate([IMAGES, IMAGES[..., :2]], axis=-1)[:50]
    pixels = np.array(views.RandomChannelDrop(seed=0)(images, training=True))
    assert ((pixels == 127.5).all(axis=(1, 2)).sum(axis=1) == 4).all()
