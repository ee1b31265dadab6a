import numpy as np
import pytest

from keras_dim import views

IMAGES = np.random.default_rng(0).integers(0, 256, (20, 16, 14, 3), "uint8")


def test_widths_are_uniform_and_as_many_as_asked_for():
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


def test_images_that_are_not_blurred_are_themselves():
    layer = views.RandomGaussianBlur(probability=0.0, seed=0)
    np.testing.assert_array_equal(layer(IMAGES, training=True), IMAGES)


def test_nothing_is_blurred_in_inference():
    layer = views.RandomGaussianBlur(seed=0)
    np.testing.assert_array_equal(layer(IMAGES, training=False), IMAGES)


@pytest.mark.parametrize("sigma", [(0.0, 1.0), (2.0, 1.0)])
def test_senseless_widths_are_refused(sigma):
    with pytest.raises(ValueError, match="`sigma`.*Received"):
        views.RandomGaussianBlur(sigma)


def test_even_kernels_are_refused():
    with pytest.raises(ValueError, match="odd. Received: 4"):
        views.RandomGaussianBlur(kernel_size=4)


def test_kernels_beyond_the_reflection_are_refused():
    # Five widths of 1 to each side would be 31 pixels.
    with pytest.raises(ValueError, match="Received: 31.*14"):
        views.RandomGaussianBlur((0.1, 5.0))(IMAGES, training=True)
