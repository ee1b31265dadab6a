import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_dim import encoders
from keras_dim.batches import ValueRange
from keras_dim.evaluation import ms_ssim
from keras_dim.evaluation import reconstruct
from keras_dim.evaluation.reconstruction import WEIGHTS

DRAW = np.random.default_rng(0)
SMOOTH = np.cumsum(np.cumsum(DRAW.normal(size=(2, 24, 23, 2)), 1), 2)
IMAGES = 255 * (SMOOTH - SMOOTH.min()) / np.ptp(SMOOTH)
NOISY = np.clip(IMAGES + DRAW.normal(0, 20, IMAGES.shape), 0, 255)


def slow_ms_ssim(x, y, scales):
    """MS-SSIM window by window, of one image with one channel."""
    places = np.arange(11) - 5
    window = np.exp(-(places[:, None] ** 2 + places**2) / (2 * 1.5**2))
    window /= window.sum()
    weights = np.array(WEIGHTS[:scales]) / sum(WEIGHTS[:scales])
    result = 1.0
    for scale in range(scales):
        values = []
        for row in range(x.shape[0] - 10):
            for column in range(x.shape[1] - 10):
                part = np.s_[row : row + 11, column : column + 11]
                a, b = (np.sum(window * z[part]) for z in (x, y))
                aa, bb, ab = (
                    np.sum(window * u[part] * v[part])
                    for u, v in ((x, x), (y, y), (x, y))
                )
                c_1, c_2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
                value = (2 * (ab - a * b) + c_2) / (
                    aa - a * a + bb - b * b + c_2
                )
                if scale == scales - 1:
                    value *= (2 * a * b + c_1) / (a * a + b * b + c_1)
                values.append(value)
        result *= np.mean(values) ** weights[scale]
        x, y = (
            z[: len(z) // 2 * 2, : z.shape[1] // 2 * 2]
            .reshape(len(z) // 2, 2, -1, 2)
            .mean((1, 3))
            for z in (x, y)
        )
    return result


def test_it_is_that_of_a_slow_version():
    expected = [
        np.mean([slow_ms_ssim(x[..., i], y[..., i], 2) for i in range(2)])
        for x, y in zip(IMAGES, NOISY, strict=True)
    ]
    found = np.array(ms_ssim(IMAGES, NOISY))
    assert 0.3 < expected[0] < 0.95
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_five_scales_are_those_of_tensorflow():
    rows = np.cumsum(np.cumsum(DRAW.normal(size=(1, 180, 176, 1)), 1), 2)
    x = (255 * (rows - rows.min()) / np.ptp(rows)).astype("float32")
    y = np.clip(x + DRAW.normal(0, 30, x.shape), 0, 255).astype("float32")
    expected = tf.image.ssim_multiscale(x, y, 255)
    np.testing.assert_allclose(ms_ssim(x, y), expected, rtol=1e-3)


def test_equal_images_are_most_alike():
    # Variances are differences of squares, which cost two digits.
    np.testing.assert_allclose(ms_ssim(IMAGES, IMAGES), 1, rtol=1e-5)


@pytest.mark.parametrize("shape", [(2, 10, 30, 1), (2, 30, 30), (3, 24, 23, 2)])
def test_small_or_different_images_are_refused(shape):
    with pytest.raises(ValueError, match="one shape"):
        ms_ssim(np.zeros(shape), np.zeros((2, *shape[1:])))
    with pytest.raises(ValueError, match="`max_value`.*above 0"):
        ms_ssim(IMAGES, IMAGES, max_value=0)


def flat_encoder(image_size):
    images = keras.Input((image_size, image_size, 1))
    return keras.Model(images, {"global": keras.layers.Flatten()(images)})


def test_a_decoder_that_could_not_learn_is_refused_before_the_training():
    images = np.zeros((3, 12, 12, 1), "uint8")
    encoder = flat_encoder(12)
    stored = encoders.with_range(encoder, ValueRange((0,), (4095,), "uint16"))
    # Epochs that would take forever.
    forever = {"epochs": 10**9}
    for model, train, arguments, words in (
        (encoder, images, {"batch_size": 1}, "`batch_size`.*2 or more"),
        (encoder, images[:1], {}, "number of training images.*2 or more"),
        (stored, images.astype("uint16"), {}, "stored values"),
        (flat_encoder(10), images[:, 1:-1, 1:-1], {}, "11 pixels or more"),
    ):
        with pytest.raises(ValueError, match=words):
            reconstruct(model, train, train, **arguments, **forever)


def test_a_decoder_reconstructs_what_the_features_hold():
    # Grey images, of one level each, which is the only feature.
    levels = DRAW.integers(0, 256, 64)
    images = np.tile(
        levels.astype("uint8")[:, None, None, None], (1, 12, 11, 1)
    )
    shown = keras.Input((12, 11, 1))
    pooled = keras.layers.GlobalAveragePooling2D()(shown / 255)
    encoder = keras.Model(shown, {"global": pooled})
    arguments = {"width": 2, "learning_rate": 1e-2, "batch_size": 16}
    found = reconstruct(
        encoder, images[:48], images[48:], **arguments, epochs=25
    )

    assert found["images"].shape == (16, 12, 11, 1)
    assert found["images"].dtype == np.uint8
    # The levels deviate by 0.29 from their mean.
    assert found["mean_squared_error"] < 0.5 * 0.29**2
    expected = np.mean(ms_ssim(images[48:], found["images"]))
    assert found["ms_ssim"] == pytest.approx(expected, rel=1e-5)
    mean = np.broadcast_to(images[:48].mean(0), (16, 12, 11, 1))
    expected = np.mean(ms_ssim(images[48:], mean))
    assert found["ms_ssim_of_mean"] == pytest.approx(expected, rel=1e-5)
    assert "decoder of 16-8-4-2 channels from 1 features" in found["protocol"]
