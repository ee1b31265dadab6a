import numpy as np
import pytest
from PIL import Image
from PIL import ImageFilter

from keras_dim.views import blurring
from keras_dim.views import resampling

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (6, 12, 10, 3), "uint8")
SIGMAS = np.float32([0.3, 0.5, 0.8, 1.0, 2.0, 5.0])


def blurred(sigmas, kernel_size):
    return np.array(
        resampling.resample(
            IMAGES.astype("float32"),
            blurring.weights(sigmas, 12, kernel_size),
            blurring.weights(sigmas, 10, kernel_size),
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
        blurred(SIGMAS, kernel_size), IMAGES, SIGMAS, strict=True
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
def test_the_border_goes_on_as_its_reflection(kernel_size):
    reach = kernel_size // 2
    border = [(reach, reach), (reach, reach)]
    for got, image, sigma in zip(
        blurred(SIGMAS, kernel_size), IMAGES, SIGMAS, strict=True
    ):
        padded = np.pad(image, [*border, (0, 0)], "reflect")
        windows = np.lib.stride_tricks.sliding_window_view(
            padded, (kernel_size, kernel_size), axis=(0, 1)
        )
        expected = (windows * kernel_of(sigma, kernel_size)).sum((-1, -2))
        np.testing.assert_allclose(got, expected, atol=1e-3)


def test_without_width_images_stay_the_same():
    np.testing.assert_array_equal(blurred(np.zeros(6), 5), IMAGES)
