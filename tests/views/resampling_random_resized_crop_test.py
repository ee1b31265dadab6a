import numpy as np
import pytest
from PIL import Image

from keras_dim import views
from keras_dim.views import resampling

RNG = np.random.default_rng(0)
NUM_BOXES = 20_000
# Pixels are so small that rounding to them does not matter.
FINE = (10_000, 10_000)


def boxes(image_size, scale, ratio, num_boxes=NUM_BOXES):
    draws = RNG.uniform(size=(num_boxes, views.RandomResizedCrop.num_draws))
    drawn = resampling.draw_boxes(
        draws.astype("float32"), image_size, scale, ratio
    )
    return [np.array(each, "float64") for each in drawn]


def assert_uniform(values, low, high):
    """Compares the shares of ten equal intervals."""
    counts, _ = np.histogram(values, bins=10, range=(low, high))
    assert counts.sum() == len(values)
    expected = len(values) / 10
    # 9 degrees of freedom: one seed in a million goes above.
    assert np.sum((counts - expected) ** 2 / expected) < 46


def test_areas_and_ratios_have_the_stated_distributions():
    # Every box fits: the widest is 0.707 high and wide.
    _, _, heights, widths = boxes(FINE, scale=(0.1, 0.25), ratio=(0.5, 2.0))
    areas = heights * widths / np.prod(FINE)
    log_ratios = np.log(widths / heights)
    edge = 1e-3
    assert_uniform(np.clip(areas, 0.1, 0.25 - 1e-9), 0.1, 0.25)
    assert np.abs(log_ratios).max() < np.log(2) + edge
    assert_uniform(
        np.clip(log_ratios, -np.log(2), np.log(2)), -np.log(2), np.log(2)
    )
    correlation = np.corrcoef(areas, log_ratios)[0, 1]
    assert abs(correlation) < 5 / np.sqrt(NUM_BOXES)


def test_places_are_as_likely_as_each_other():
    tops, lefts, heights, widths = boxes((8, 8), (0.25, 0.25), (1.0, 1.0))
    np.testing.assert_array_equal(heights, 4)
    np.testing.assert_array_equal(widths, 4)
    _, counts = np.unique([tops, lefts], axis=1, return_counts=True)
    expected = NUM_BOXES / 25
    assert len(counts) == 25
    # 24 degrees of freedom: one seed in a million goes above.
    assert np.sum((counts - expected) ** 2 / expected) < 72


def test_boxes_that_do_not_fit_are_drawn_anew():
    scale, ratio = (0.3, 1.0), (0.7, 1.4)
    _, _, heights, widths = boxes(FINE, scale, ratio)
    # The same by rejection sampling.
    areas = RNG.uniform(*scale, 4 * NUM_BOXES) * np.prod(FINE)
    ratios = np.exp(RNG.uniform(*np.log(ratio), 4 * NUM_BOXES))
    expected = np.stack([np.sqrt(areas / ratios), np.sqrt(areas * ratios)])
    expected = expected[:, (expected <= FINE[0]).all(axis=0)][:, :NUM_BOXES]
    for got, values in zip((heights, widths), expected, strict=True):
        for power in (1, 2, 3):
            got_moment, moment = (
                np.mean((lengths / FINE[0]) ** power)
                for lengths in (got, values)
            )
            # Five standard deviations of a difference of two means of
            # numbers between 0 and 1.
            assert got_moment == pytest.approx(
                moment, abs=5 * 0.5 * np.sqrt(2 / NUM_BOXES)
            )


def test_boxes_lie_within_the_image():
    for size in ((32, 32), (20, 50), (3, 2)):
        tops, lefts, heights, widths = boxes(size, (0.08, 1.0), (0.5, 2.0))
        for first, length, limit in zip(
            (tops, lefts), (heights, widths), size, strict=True
        ):
            assert (first >= 0).all()
            assert (length >= 1).all()
            assert (first + length <= limit).all()
            assert (first == np.round(first)).all()
            assert (length == np.round(length)).all()


@pytest.mark.parametrize(
    "size, expected",
    [((100, 10), (45, 0, 10, 10)), ((10, 100), (0, 45, 10, 10))],
)
def test_if_no_box_fits_the_middle_is_used(size, expected):
    drawn = boxes(size, (1.0, 1.0), (1.0, 1.0), num_boxes=3)
    np.testing.assert_array_equal(np.stack(drawn, axis=1), [expected] * 3)


def test_crops_are_the_resampled_boxes():
    images = RNG.integers(0, 256, (30, 40, 36, 3), "uint8")
    layer = views.RandomResizedCrop(24, seed=0)
    crops = np.array(layer(images, training=True))
    draws = views.RandomResizedCrop(24, seed=0).draw(30)
    drawn = resampling.draw_boxes(draws, (40, 36), layer.scale, layer.ratio)
    for crop, image, top, left, height, width in zip(
        crops, images, *np.array(drawn), strict=True
    ):
        box = Image.fromarray(image)
        box = box.crop((left, top, left + width, top + height))
        box = box.resize((24, int(height)), Image.Resampling.BICUBIC)
        box = box.resize((24, 24), Image.Resampling.BICUBIC)
        # Pillow rounds to whole grey levels after either step.
        assert np.abs(crop - np.asarray(box, "float32")).max() <= 2


def test_every_image_changes():
    images = RNG.integers(0, 256, (30, 24, 24, 3), "uint8")
    crops = np.array(views.RandomResizedCrop(24, seed=0)(images, training=True))
    assert (np.abs(crops - images).max((1, 2, 3)) > 10).mean() > 0.9


@pytest.mark.parametrize("height, width", [(96, 96), (96, 120), (200, 64)])
def test_inference_takes_the_middle_of_the_resized_image(height, width):
    images = RNG.integers(0, 256, (2, height, width, 3), "uint8")
    layer = views.RandomResizedCrop(64, inference_size=70)
    middles = np.array(layer(images, training=False))
    scale = 70 / min(height, width)
    new_width, new_height = int(scale * width), int(scale * height)
    left, top = round((new_width - 64) / 2), round((new_height - 64) / 2)
    for middle, image in zip(middles, images, strict=True):
        resized = Image.fromarray(image)
        resized = resized.resize((new_width, height), Image.Resampling.BICUBIC)
        resized = resized.resize(
            (new_width, new_height), Image.Resampling.BICUBIC
        )
        expected = resized.crop((left, top, left + 64, top + 64))
        # Pillow rounds to whole grey levels after either step.
        assert np.abs(middle - np.asarray(expected, "float32")).max() <= 2


def test_inference_at_the_size_of_the_image_changes_nothing():
    images = RNG.uniform(0, 255, (2, 9, 9, 3)).astype("float32")
    layer = views.RandomResizedCrop(9)
    np.testing.assert_allclose(layer(images), images, atol=1e-3)


@pytest.mark.parametrize(
    "arguments",
    [
        {"scale": (0.0, 1.0)},
        {"scale": (0.5, 1.1)},
        {"ratio": (1.4, 0.7)},
        {"method": "nearest"},
        {"inference_size": 7},
        {"no_such_argument": 1},
    ],
)
def test_invalid_arguments_are_refused(arguments):
    with pytest.raises(
        (ValueError, TypeError), match="eceived|Unknown|no_such"
    ):
        views.RandomResizedCrop(8, **arguments)
