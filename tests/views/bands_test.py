"""Changes of any number of bands do not mix or clip them."""

import keras
import numpy as np
import pytest

from keras_dim import views

# Five bands with some values beyond 0 and 255.
IMAGES = np.random.default_rng(0).uniform(-100, 400, (64, 8, 8, 5))
IMAGES = IMAGES.astype("float32")


def made(layer, images=IMAGES):
    return np.asarray(layer(images, training=True))


def test_brightness_keeps_the_ratios_of_bands_and_contrast_their_means():
    bright = made(views.RandomBandJitter(0.5, 0.0, seed=0))
    factors = np.median(bright / IMAGES, axis=(1, 2, 3), keepdims=True)
    np.testing.assert_allclose(bright, factors * IMAGES, rtol=1e-4, atol=1e-3)
    assert 0.5 <= factors.min() < 0.6 and 1.4 < factors.max() <= 1.5

    contrast = made(views.RandomBandJitter(0.0, 0.5, seed=0))
    mean = IMAGES.mean(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(
        contrast.mean(axis=(1, 2), keepdims=True), mean, atol=1e-3
    )
    factors = (contrast - mean) / (IMAGES - mean)
    assert np.ptp(np.median(factors, axis=(1, 2, 3))) > 0.7


def test_noise_has_the_deviation_that_it_states():
    layer = views.RandomNoise(0.1, seed=0)
    noise = made(layer) - IMAGES

    deviations = noise.std(axis=(1, 2, 3))
    assert deviations.max() == pytest.approx(25.5, rel=0.15)
    assert deviations.mean() == pytest.approx(25.5 / 2, rel=0.2)
    assert abs(np.corrcoef(noise.reshape(-1, 5).T) - np.eye(5)).max() < 0.1
    np.testing.assert_array_equal(made(views.RandomNoise(0.1, 0.0)), IMAGES)


def test_quarter_turns_are_those_of_numpy_and_equally_likely():
    turned = made(
        views.RandomQuarterTurn(seed=0), np.tile(IMAGES, (8, 1, 1, 1))
    )
    before = np.tile(IMAGES, (8, 1, 1, 1))

    counts = [
        (turned == np.rot90(before, k, axes=(1, 2))).all(axis=(1, 2, 3)).sum()
        for k in range(4)
    ]

    assert sum(counts) == len(before)
    # 128 each of 512, with a deviation of 10.
    assert min(counts) > 88


def test_one_band_can_be_dropped_instead_of_all_but_one():
    dropped = made(views.RandomChannelDrop(drops_one=True, seed=0)) == 127.5

    bands = dropped.all(axis=(1, 2))
    assert (bands.sum(axis=1) == 1).all() and bands.any(axis=0).all()


@pytest.mark.parametrize("bands", [1, 2, 5, 20])
def test_any_bands_takes_any_number_and_keeps_them_apart(bands):
    images = np.zeros((8, 40, 40, bands), "float32")
    images[..., 0] = 1000.0
    layer = views.any_bands(32, noise=0, drop_probability=0, seed=0)

    for view in layer(images, training=True).values():
        assert view.shape == (8, 32, 32, bands)
        # Nothing is clipped, and other bands do not change.
        assert np.asarray(view)[..., 0].min() > 500
        assert not np.asarray(view)[..., 1:].any()


def test_any_bands_is_saved_and_drawn_anew(tmp_path):
    layer = views.any_bands(8, seed=3)
    again = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(layer)
    )
    first, second = layer(IMAGES, training=True).values()

    assert np.abs(first - second).max() > 1
    np.testing.assert_array_equal(
        next(iter(again(IMAGES, training=True).values())), first
    )


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (views.RandomGrayscale(0.5), "RandomGrayscale changes colours"),
        (views.ColorJitter(0.4, hue=0.1), "ColorJitter changes hue"),
        (views.ColorJitter(saturation=0.1), "changes saturation"),
        (views.LabSplit(), "channels"),
    ],
)
@pytest.mark.parametrize("bands", [2, 5])
def test_changes_of_colours_refuse_other_bands(layer, message, bands):
    with pytest.raises(ValueError, match=message):
        layer(IMAGES[..., :bands])


def test_brightness_and_contrast_of_colour_jitter_take_any_bands():
    assert made(views.ColorJitter(0.4, 0.4)).shape == IMAGES.shape
