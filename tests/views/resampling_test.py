import numpy as np
import pytest
from PIL import Image

from keras_dim.views import resampling

KINDS = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}


def random_boxes(rng, num_boxes, size):
    """Starts and lengths of boxes within `size` pixels, from one pixel on."""
    starts = rng.integers(0, size, num_boxes)
    return starts, rng.integers(1, size - starts + 1)


@pytest.mark.parametrize("method", KINDS)
@pytest.mark.parametrize(
    "size, new_size",
    [((32, 40), (64, 64)), ((50, 40), (13, 20)), ((40, 50), (33, 32))],
    ids=["up", "down", "both"],
)
def test_boxes_are_resampled_as_by_pillow(method, size, new_size):
    rng = np.random.default_rng(0)
    num_images = 40
    images = rng.integers(0, 256, (num_images, *size, 3), "uint8")
    tops, heights = random_boxes(rng, num_images, size[0])
    lefts, widths = random_boxes(rng, num_images, size[1])
    resampled = resampling.resample(
        images.astype("float32"),
        resampling.weights(tops, heights, size[0], new_size[0], method),
        resampling.weights(lefts, widths, size[1], new_size[1], method),
    )
    for got, image, top, left, height, width in zip(
        resampled, images, tops, lefts, heights, widths, strict=True
    ):
        box = Image.fromarray(image).crop(
            (left, top, left + width, top + height)
        )
        # Columns before rows, which only some versions of Pillow do.
        box = box.resize((new_size[1], height), KINDS[method])
        box = box.resize(new_size[::-1], KINDS[method])
        # Pillow rounds to whole grey levels after either step.
        assert np.abs(got - np.asarray(box, "float32")).max() <= 2


@pytest.mark.parametrize("method, reach", [("bilinear", 2), ("bicubic", 4)])
def test_kernels_widen_where_a_box_shrinks(method, reach):
    start, length = np.array([0.0]), np.array([40.0])
    weights = np.array(resampling.weights(start, length, 40, 10, method))
    # The kernel reaches over 2 or 4 new pixels, of four old ones each.
    assert (np.abs(weights) > 1e-6).sum(axis=-1).max() == 4 * reach


@pytest.mark.parametrize("method", KINDS)
def test_weights_add_up_to_one_and_lie_within_the_box(method):
    rng = np.random.default_rng(1)
    starts, lengths = random_boxes(rng, 100, 30)
    weights = np.array(resampling.weights(starts, lengths, 30, 20, method))
    np.testing.assert_allclose(weights.sum(-1), 1, atol=1e-5)
    places = np.arange(30)
    is_outside = (places < starts[:, None]) | (
        places >= (starts + lengths)[:, None]
    )
    assert (weights.swapaxes(1, 2)[is_outside] == 0).all()


@pytest.mark.parametrize("method", KINDS)
def test_whole_images_at_their_own_size_stay_the_same(method):
    images = np.random.default_rng(0).uniform(0, 255, (2, 9, 9, 2))
    images = images.astype("float32")
    weights = resampling.weights(np.zeros(2), np.full(2, 9), 9, 9, method)
    np.testing.assert_allclose(
        resampling.resample(images, weights, weights), images, atol=1e-3
    )
