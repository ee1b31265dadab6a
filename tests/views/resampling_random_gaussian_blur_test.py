import numpy as np
import pytest
from PIL import Image
from PIL import ImageFilter

from keras_dim import views
from keras_dim.views import resampling

IMAGES = np.random.default_rng(0).integers(0, 256, (20, 16, 14, 3), "uint8")
SMALL_IMAGES = np.random.default_rng(0).integers(
    0, 256, (6, 12, 10, 3), "uint8"
)
SIGMAS = np.float32([0.3, 0.5, 0.8, 1.0, 2.0, 5.0])


def blurred(sigmas, kernel_size):
    return np.array(
        resampling.resample(
            SMALL_IMAGES.astype("float32"),
            resampling.blur_weights(sigmas, 12, kernel_size),
            resampling.blur_weights(sigmas, 10, kernel_size),
        )
    )


def kernel_of(sigma, kernel_size):
    steps = np.arange(kernel_size) - kernel_size // 2
    kernel = np.exp(-0.5 * (steps / sigma) ** 2)
    kernel = np.outer(kernel, kernel)
    return kernel / kernel.sum()


@pytest.mark.parametrize("kernel_size", [3, 5])
def test_the_inside_equals_pillows_convolution(kernel_size):
    reach = kernel_size // 2
    for got, image, sigma in zip(
        blurred(SIGMAS, kernel_size), SMALL_IMAGES, SIGMAS, strict=True
    ):
        kernel = ImageFilter.Kernel(
            (kernel_size, kernel_size),
            kernel_of(sigma, kernel_size).ravel().tolist(),
            scale=1,
        )
        expected = np.asarray(Image.fromarray(image).filter(kernel), "float32")
        inside = np.s_[reach:-reach, reach:-reach]
        # Pillow rounds to whole grey levels.
        assert np.abs(got - expected)[inside].max() <= 1


@pytest.mark.parametrize("kernel_size", [1, 7, 19])
def test_beyond_the_border_is_its_reflection(kernel_size):
    reach = kernel_size // 2
    border = [(reach, reach), (reach, reach)]
    for got, image, sigma in zip(
        blurred(SIGMAS, kernel_size), SMALL_IMAGES, SIGMAS, strict=True
    ):
        padded = np.pad(image, [*border, (0, 0)], "reflect")
        windows = np.lib.stride_tricks.sliding_window_view(
            padded, (kernel_size, kernel_size), axis=(0, 1)
        )
        expected = (windows * kernel_of(sigma, kernel_size)).sum((-1, -2))
        np.testing.assert_allclose(got, expected, atol=1e-3)


def test_a_width_of_zero_changes_nothing():
    np.testing.assert_array_equal(blurred(np.zeros(6), 5), SMALL_IMAGES)


def test_widths_are_uniform_for_the_requested_share_of_images():
    layer = views.RandomGaussianBlur((0.5, 1.5), probability=0.3, seed=0)
    sigmas = np.array(layer.amounts(layer.draw(20_000)))
    is_blurred = sigmas > 0
    # Five standard deviations.
    assert is_blurred.mean() == pytest.approx(0.3, abs=0.017)
    counts, _ = np.histogram(sigmas[is_blurred], bins=10, range=(0.5, 1.5))
    assert counts.sum() == is_blurred.sum()
    expected = counts.sum() / 10
    # 9 degrees of freedom: one seed in a million goes above.
    assert np.sum((counts - expected) ** 2 / expected) < 46


def test_blurred_images_vary_less():
    layer = views.RandomGaussianBlur((1.0, 2.0), seed=0)
    blurred = np.array(layer(IMAGES, training=True))
    assert (blurred.std((1, 2, 3)) < 0.5 * IMAGES.std((1, 2, 3))).all()


def test_images_that_are_not_blurred_keep_their_exact_pixels():
    layer = views.RandomGaussianBlur(probability=0.0, seed=0)
    np.testing.assert_array_equal(layer(IMAGES, training=True), IMAGES)


def test_nothing_is_blurred_in_inference():
    layer = views.RandomGaussianBlur(seed=0)
    np.testing.assert_array_equal(layer(IMAGES, training=False), IMAGES)


@pytest.mark.parametrize(
    "sigma", [(0.0, 1.0), (2.0, 1.0), 2.0, (1.0,), (1.0, float("inf")), "ab"]
)
def test_invalid_widths_are_refused(sigma):
    with pytest.raises(ValueError, match="`sigma`.*Received"):
        views.RandomGaussianBlur(sigma)


def test_even_kernels_are_refused():
    with pytest.raises(ValueError, match="odd. Received: 4"):
        views.RandomGaussianBlur(kernel_size=4)


def test_kernels_beyond_the_reflection_are_refused():
    # Five widths of 1 to each side would be 31 pixels.
    with pytest.raises(ValueError, match="Received: 31.*14"):
        views.RandomGaussianBlur((0.1, 5.0))(IMAGES, training=True)
