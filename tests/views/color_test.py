import colorsys

import numpy as np
import pytest
from PIL import Image
from PIL import ImageEnhance
from PIL import ImageOps

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
    color.adjust_brightness,
    color.adjust_contrast,
    color.adjust_saturation,
    color.adjust_hue,
)


@pytest.mark.parametrize(
    "adjust, enhance",
    [
        (color.adjust_brightness, ImageEnhance.Brightness),
        (color.adjust_contrast, ImageEnhance.Contrast),
        (color.adjust_saturation, ImageEnhance.Color),
    ],
)
def test_blends_equal_pillows(adjust, enhance):
    adjusted = np.array(adjust(PIXELS, FACTORS))
    expected = [
        np.asarray(enhance(Image.fromarray(image)).enhance(float(factor)))
        for image, factor in zip(IMAGES, FACTORS, strict=True)
    ]
    # Pillow cuts off the fractions of what it returns.
    assert np.abs(np.floor(adjusted) - np.stack(expected)).max() <= 1
    assert np.abs(adjusted - PIXELS).max() > 10


def test_hues_turn_as_in_the_standard_library():
    turned = np.array(color.adjust_hue(PIXELS, TURNS))
    for got, image, turn in zip(turned, PIXELS, TURNS, strict=True):
        for got_pixel, pixel in zip(
            got.reshape(-1, 3), image.reshape(-1, 3), strict=True
        ):
            hue, saturation, value = colorsys.rgb_to_hsv(*(pixel / 255))
            expected = colorsys.hsv_to_rgb((hue + turn) % 1, saturation, value)
            # Float32 against float64.
            np.testing.assert_allclose(
                got_pixel, 255 * np.array(expected), atol=1e-3
            )


def test_hues_turn_as_in_pillow():
    steps = np.round(255 * TURNS)
    turned = np.array(color.adjust_hue(PIXELS, np.float32(steps / 255)))
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
    grey = np.array(color.to_grayscale(PIXELS))[..., 0]
    expected = [np.asarray(Image.fromarray(i).convert("L")) for i in IMAGES]
    assert np.abs(grey - np.stack(expected)).max() <= 1


def test_blending_with_grey_is_linear():
    shares = np.float32([0, 1, 0.25] * (NUM_IMAGES // 3))
    grey = np.array(color.to_grayscale(PIXELS))
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


@pytest.mark.parametrize("channels", [1, 3])
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


def test_contrast_without_colour_is_about_the_mean():
    images = PIXELS[..., :2]
    mean = images.mean((1, 2, 3), keepdims=True)
    factors = FACTORS[:, None, None, None]
    np.testing.assert_allclose(
        color.adjust_contrast(images, FACTORS),
        np.clip(mean + factors * (images - mean), 0, 255),
        atol=1e-3,
    )
