import numpy as np
import pytest
from PIL import Image
from PIL import ImageEnhance
from PIL import ImageOps
from reference import color as reference

from keras_dim.views import color

NUM_IMAGES = 24
RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (NUM_IMAGES, 12, 10, 3), "uint8")
# Greys, black, white, and equal channels: the special cases of the hue.
IMAGES[:3] = IMAGES[:3, ..., :1]
IMAGES[3], IMAGES[4] = 0, 255
IMAGES[5, ..., 1] = IMAGES[5, ..., 0]
IMAGES[6, ..., 2] = IMAGES[6, ..., 1]
IMAGES[7, ..., 0] = IMAGES[7, ..., 2]
PIXELS = IMAGES.astype("float32")
FACTORS = RNG.uniform(0.2, 1.8, NUM_IMAGES).astype("float32")
TURNS = RNG.uniform(-0.5, 0.5, NUM_IMAGES).astype("float32")
ADJUST = (
    reference.adjust_brightness,
    reference.adjust_contrast,
    reference.adjust_saturation,
    reference.adjust_hue,
)


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
        for image, factor in zip(IMAGES, FACTORS, strict=True)
    ]
    # Pillow cuts off the fractions of what it returns.
    assert np.abs(np.floor(adjusted) - np.stack(expected)).max() <= 1
    assert np.abs(adjusted - PIXELS).max() > 10


def test_hues_turn_as_in_pillow():
    steps = np.round(255 * TURNS)
    turned = jitter_one(PIXELS, color.HUE, np.float32(steps / 255))
    num_compared = 0
    for got, image, step in zip(turned, IMAGES, steps, strict=True):
        hsv = np.array(Image.fromarray(image).convert("HSV"))
        # Pillow rounds hues down to one of 255. Compared are the pixels that
        # do not suffer.
        is_exact = (_from_hsv(hsv) == image).all(axis=-1)
        hsv[..., 0] = (hsv[..., 0] + step) % 255
        np.testing.assert_allclose(
            np.round(got[is_exact]), _from_hsv(hsv)[is_exact], atol=1.0
        )
        num_compared += is_exact.sum()
    assert num_compared > 0.2 * IMAGES[..., 0].size


def _from_hsv(pixels):
    image = Image.merge(
        "HSV", [Image.fromarray(p) for p in np.moveaxis(pixels, -1, 0)]
    )
    return np.asarray(image.convert("RGB"), "float32")


def test_grey_values_equal_pillows():
    grey = np.array(color.blend_with_grey(PIXELS, np.ones(NUM_IMAGES, "f4")))
    expected = [np.asarray(Image.fromarray(i).convert("L")) for i in IMAGES]
    for channel in range(3):
        assert np.abs(grey[..., channel] - np.stack(expected)).max() <= 1


def test_blending_with_grey_is_linear():
    shares = np.float32([0, 1, 0.25] * (NUM_IMAGES // 3))
    grey = reference.to_grayscale(PIXELS)
    blended = color.blend_with_grey(PIXELS, shares)
    shares = shares[:, None, None, None]
    np.testing.assert_allclose(
        blended, (1 - shares) * PIXELS + shares * grey, atol=1e-3
    )


def test_solarized_pixels_equal_pillows():
    thresholds = RNG.uniform(0, 256, NUM_IMAGES).astype("float32")
    solarized = color.solarize(PIXELS, thresholds)
    expected = [
        np.asarray(ImageOps.solarize(Image.fromarray(image), threshold))
        for image, threshold in zip(IMAGES, thresholds, strict=True)
    ]
    np.testing.assert_array_equal(solarized, np.stack(expected))


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_jitter_equals_its_parts_in_every_order(channels):
    orders = np.tile(np.array(color.ORDERS, "int32"), (4, 1))
    num_images = len(orders)
    images = np.tile(PIXELS, (4, 1, 1, 1))[..., :channels]
    factors = RNG.uniform(0.2, 1.8, (3, num_images)).astype("float32")
    # Among them none at all, and one that leaves nothing.
    factors[:, ::7], factors[:, ::11] = 1.0, 0.0
    amounts = (*factors, np.tile(TURNS, 4))
    jittered = np.array(color.jitter(images, *amounts, orders))
    for index, order in enumerate(orders):
        rows = slice(index, index + 1)
        expected = images[rows]
        for kind in order:
            if channels == 3 or kind in (color.BRIGHTNESS, color.CONTRAST):
                expected = ADJUST[kind](expected, amounts[kind][rows])
        # Float32, up to 255, through four steps.
        np.testing.assert_allclose(jittered[rows], expected, atol=1e-3)


def test_there_is_an_order_for_every_image_of_the_test():
    assert len(set(color.ORDERS)) == 24 == NUM_IMAGES
