import numpy as np
import pytest

from keras_dim import views
from keras_dim.views import color

IMAGES = np.random.default_rng(0).integers(0, 256, (40, 6, 7, 3), "uint8")
NUM_DRAWS = 24_000


def amounts(**arguments):
    """Returns the amounts that many images get."""
    layer = views.ColorJitter(seed=0, **arguments)
    *factors, turns, orders = layer.amounts(layer.draw(NUM_DRAWS))
    return [np.array(each) for each in (*factors, turns)], np.array(orders)


def assert_uniform(values, low, high):
    """Compares the shares of ten equal intervals."""
    counts, _ = np.histogram(values, bins=10, range=(low, high))
    assert counts.sum() == len(values)
    expected = len(values) / 10
    # 9 degrees of freedom: one seed in a million goes above.
    assert np.sum((counts - expected) ** 2 / expected) < 46


def test_amounts_are_uniform_within_their_strengths():
    (brightness, contrast, saturation, turns), _ = amounts(
        brightness=0.4, contrast=0.2, saturation=1.5, hue=0.1
    )
    assert_uniform(brightness, 0.6, 1.4)
    assert_uniform(contrast, 0.8, 1.2)
    # Factors are not negative.
    assert_uniform(saturation, 0.0, 2.5)
    assert_uniform(turns, -0.1, 0.1)


def test_amounts_are_drawn_apart():
    values, orders = amounts(brightness=1, contrast=1, saturation=1, hue=0.5)
    correlations = np.corrcoef([*values, orders[:, 0]]) - np.eye(5)
    # Five standard deviations.
    assert np.abs(correlations).max() < 5 / np.sqrt(NUM_DRAWS)


def test_every_order_is_as_likely_as_the_next():
    _, orders = amounts(brightness=0.4)
    found, counts = np.unique(orders, axis=0, return_counts=True)
    assert {tuple(order) for order in found} == set(color.ORDERS)
    # 23 degrees of freedom: one seed in a million goes above.
    assert np.sum((counts - 1000) ** 2 / 1000) < 70


def test_as_many_images_change_as_asked_for():
    values, _ = amounts(
        brightness=0.4, contrast=0.4, saturation=0.4, hue=0.2, probability=0.8
    )
    changed = (np.stack(values) != [[1], [1], [1], [0]]).all(axis=0)
    unchanged = (np.stack(values) == [[1], [1], [1], [0]]).all(axis=0)
    assert np.logical_xor(changed, unchanged).all()
    # Five standard deviations.
    assert changed.mean() == pytest.approx(0.8, abs=0.013)


@pytest.mark.parametrize("name", ["brightness", "contrast", "saturation"])
def test_each_factor_changes_pixels(name):
    layer = views.ColorJitter(**{name: 0.4}, seed=0)
    change = np.abs(layer(IMAGES, training=True) - IMAGES.astype("float32"))
    assert (change.max((1, 2, 3)) > 1).mean() > 0.9


def test_turns_change_hues_and_keep_the_value():
    images = IMAGES.astype("float32")
    turned = np.array(views.ColorJitter(hue=0.5, seed=0)(images, training=True))
    assert (np.abs(turned - images).max((1, 2, 3)) > 1).mean() > 0.9
    np.testing.assert_allclose(turned.max(-1), images.max(-1), atol=1e-3)
    np.testing.assert_allclose(turned.min(-1), images.min(-1), atol=1e-3)


def test_images_that_do_not_change_are_themselves():
    layer = views.ColorJitter(0.4, 0.4, 0.4, 0.2, probability=0.0, seed=0)
    # The last digits of float32 at 255.
    np.testing.assert_allclose(layer(IMAGES, training=True), IMAGES, atol=1e-4)


def test_nothing_changes_in_inference():
    layer = views.ColorJitter(0.4, 0.4, 0.4, 0.2, seed=0)
    np.testing.assert_array_equal(layer(IMAGES, training=False), IMAGES)


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_without_colours_only_brightness_and_contrast_change(channels):
    images = np.repeat(IMAGES[..., :1], channels, axis=-1)
    none = views.ColorJitter(saturation=1.0, hue=0.5, seed=0)
    np.testing.assert_allclose(none(images, training=True), images, atol=1e-4)
    some = views.ColorJitter(brightness=0.4, contrast=0.4, seed=0)
    assert np.abs(some(images, training=True) - images).max() > 10


@pytest.mark.parametrize(
    "arguments", [{"hue": 0.6}, {"contrast": -0.1}, {"probability": 1.1}]
)
def test_senseless_strengths_are_refused(arguments):
    with pytest.raises(ValueError, match="Received"):
        views.ColorJitter(**arguments)
