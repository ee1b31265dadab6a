import numpy as np
import pytest
from PIL import Image
from PIL import ImageEnhance
from reference import color as reference

from keras_dim import views
from keras_dim.views import color

IMAGES = np.random.default_rng(0).integers(0, 256, (40, 6, 7, 3), "uint8")
NUM_DRAWS = 24_000

NUM_SPECIAL = 24
RNG = np.random.default_rng(0)
SPECIAL = RNG.integers(0, 256, (NUM_SPECIAL, 12, 10, 3), "uint8")
# Greys, black, white, and equal channels: the special cases of the hue.
SPECIAL[:3] = SPECIAL[:3, ..., :1]
SPECIAL[3], SPECIAL[4] = 0, 255
SPECIAL[5, ..., 1] = SPECIAL[5, ..., 0]
SPECIAL[6, ..., 2] = SPECIAL[6, ..., 1]
SPECIAL[7, ..., 0] = SPECIAL[7, ..., 2]
PIXELS = SPECIAL.astype("float32")
FACTORS = RNG.uniform(0.2, 1.8, NUM_SPECIAL).astype("float32")
TURNS = RNG.uniform(-0.5, 0.5, NUM_SPECIAL).astype("float32")
ADJUST = (
    reference.adjust_brightness,
    reference.adjust_contrast,
    reference.adjust_saturation,
    reference.adjust_hue,
)


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


def test_amounts_are_independent():
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


def test_the_requested_share_of_images_changes():
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


def test_unchanged_images_keep_their_exact_pixels():
    layer = views.ColorJitter(0.4, 0.4, 0.4, 0.2, probability=0.0, seed=0)
    # The last digits of float32 at 255.
    np.testing.assert_allclose(layer(IMAGES, training=True), IMAGES, atol=1e-4)


def test_nothing_changes_in_inference():
    layer = views.ColorJitter(0.4, 0.4, 0.4, 0.2, seed=0)
    np.testing.assert_array_equal(layer(IMAGES, training=False), IMAGES)


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_of_grey_images_only_brightness_and_contrast_change(channels):
    images = np.repeat(IMAGES[..., :1], channels, axis=-1)
    none = views.ColorJitter(saturation=1.0, hue=0.5, seed=0)
    if channels == 1:
        found = none(images, training=True)
        np.testing.assert_allclose(found, images, atol=1e-4)
    else:
        with pytest.raises(ValueError, match="changes saturation and hue"):
            none(images, training=True)
    some = views.ColorJitter(brightness=0.4, contrast=0.4, seed=0)
    assert np.abs(some(images, training=True) - images).max() > 10


@pytest.mark.parametrize(
    "arguments", [{"hue": 0.6}, {"contrast": -0.1}, {"probability": 1.1}]
)
def test_invalid_strengths_are_refused(arguments):
    with pytest.raises(ValueError, match="Received"):
        views.ColorJitter(**arguments)


def jitter_one(images, kind, amounts):
    """Changes only one of brightness, contrast, saturation and hue."""
    all_amounts = [
        np.float32([neutral] * len(images)) for neutral in (1, 1, 1, 0)
    ]
    all_amounts[kind] = amounts
    orders = np.tile(np.arange(4, dtype="int32"), (len(images), 1))
    return np.array(color.jitter(images, *all_amounts, orders))


@pytest.mark.parametrize(
    "kind, enhance",
    [
        (color.BRIGHTNESS, ImageEnhance.Brightness),
        (color.CONTRAST, ImageEnhance.Contrast),
        (color.SATURATION, ImageEnhance.Color),
    ],
)
def test_blends_equal_pillows(kind, enhance):
    adjusted = jitter_one(PIXELS, kind, FACTORS)
    expected = [
        np.asarray(enhance(Image.fromarray(image)).enhance(float(factor)))
        for image, factor in zip(SPECIAL, FACTORS, strict=True)
    ]
    # Pillow cuts off the fractions of its results.
    assert np.abs(np.floor(adjusted) - np.stack(expected)).max() <= 1
    assert np.abs(adjusted - PIXELS).max() > 10


def test_hues_turn_as_in_pillow():
    steps = np.round(255 * TURNS)
    turned = jitter_one(PIXELS, color.HUE, np.float32(steps / 255))
    num_compared = 0
    for got, image, step in zip(turned, SPECIAL, steps, strict=True):
        hsv = np.array(Image.fromarray(image).convert("HSV"))
        # Pillow rounds hues down to one of 255. Only pixels whose hue that
        # does not change are compared.
        is_exact = (_from_hsv(hsv) == image).all(axis=-1)
        hsv[..., 0] = (hsv[..., 0] + step) % 255
        np.testing.assert_allclose(
            np.round(got[is_exact]), _from_hsv(hsv)[is_exact], atol=1.0
        )
        num_compared += is_exact.sum()
    assert num_compared > 0.2 * SPECIAL[..., 0].size


def _from_hsv(pixels):
    image = Image.merge(
        "HSV", [Image.fromarray(p) for p in np.moveaxis(pixels, -1, 0)]
    )
    return np.asarray(image.convert("RGB"), "float32")


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_jitter_equals_its_parts_in_every_order(channels):
    orders = np.tile(np.array(color.ORDERS, "int32"), (4, 1))
    num_images = len(orders)
    images = np.tile(PIXELS, (4, 1, 1, 1))[..., :channels]
    factors = RNG.uniform(0.2, 1.8, (3, num_images)).astype("float32")
    # Among them factors of 1 and of 0.
    factors[:, ::7], factors[:, ::11] = 1.0, 0.0
    amounts = (*factors, np.tile(TURNS, 4))
    jittered = np.array(color.jitter(images, *amounts, orders))
    for index, order in enumerate(orders):
        rows = slice(index, index + 1)
        expected = images[rows]
        for kind in order:
            if channels == 3 or kind in (
                color.BRIGHTNESS,
                color.CONTRAST,
            ):
                expected = ADJUST[kind](expected, amounts[kind][rows])
        # Float32, up to 255, through four steps.
        np.testing.assert_allclose(jittered[rows], expected, atol=1e-3)


def test_there_is_an_order_for_every_image_of_the_test():
    assert len(set(color.ORDERS)) == 24 == NUM_SPECIAL
