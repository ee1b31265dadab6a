"""Reconstruction of images from features by a decoder, and MS-SSIM."""

from typing import Any

import keras
import numpy as np
from keras import layers
from keras import ops

from keras_dim import batches
from keras_dim import checks
from keras_dim.encoders import stored_values
from keras_dim.evaluation import features as features_lib

# Exponents of the paper's five scales, the finest first.
WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
# Pixels of the Gaussian window, its standard deviation, and constants of SSIM.
WINDOW = 11
_DEVIATION = 1.5
_K = (0.01, 0.03)


def ms_ssim(images: Any, others: Any, max_value: float = 255.0) -> Any:
    """Returns the multi-scale structural similarity of each pair of images.

    Windows have 11 x 11 pixels with Gaussian weights, and lie within the image;
    between scales, images are averaged over 2 x 2 pixels. Of the five scales,
    those are used at which the image is as large as a window, with their
    exponents scaled to a sum of 1: all from 176 pixels on, two for 22 to 43,
    one for 11 to 21, which is SSIM.

    Args:
        images, others: tensors `(num_images, height, width, channels)`, of
            11 pixels or more along each side.
        max_value: float. Greatest value of a pixel; the least is 0. Defaults to
            255.

    Returns:
        Float32 tensor `(num_images,)`, from 0 to 1 for equal images.

    Raises:
        ValueError: for other or different shapes, and smaller images.

    Reference: Z Wang, E Simoncelli and A Bovik, Multiscale structural
    similarity for image quality assessment, 2003.
    """
    checks.above(0, max_value=max_value)
    images, others = (ops.cast(x, "float32") for x in (images, others))
    shape = tuple(images.shape)
    if len(shape) != 4 or shape != tuple(others.shape) or min(shape[1:3]) < 11:
        raise ValueError(
            "MS-SSIM compares images of one shape (num_images, height, width, "
            f"channels), of {WINDOW} pixels or more. Received: {shape} and "
            f"{tuple(others.shape)}"
        )
    side, num_scales = min(shape[1:3]), 1
    while num_scales < len(WEIGHTS) and side // 2**num_scales >= WINDOW:
        num_scales += 1
    result = 1.0
    for scale, weight in enumerate(WEIGHTS[:num_scales]):
        luminance, contrast = _similarity(images, others, max_value)
        if scale == num_scales - 1:
            contrast = contrast * luminance
        similarity = ops.mean(contrast, axis=(1, 2))
        # Powers of negative numbers are NaN.
        power = weight / sum(WEIGHTS[:num_scales])
        result = result * ops.maximum(similarity, 0.0) ** power
        images, others = (
            ops.average_pool(x, 2, 2, "valid", "channels_last")
            for x in (images, others)
        )
    return ops.mean(result, axis=-1)


def _similarity(images, others, max_value):
    """Returns luminance, and contrast times structure, of each window."""
    offsets = np.arange(WINDOW) - WINDOW // 2
    weights = np.exp(-(offsets**2) / (2 * _DEVIATION**2))
    kernel = np.outer(weights, weights)[..., None, None] / weights.sum() ** 2
    kernel = np.repeat(kernel, images.shape[-1], axis=2).astype("float32")

    def mean(x):
        return ops.depthwise_conv(
            x, kernel, 1, "valid", data_format="channels_last"
        )

    c_1, c_2 = ((k * max_value) ** 2 for k in _K)
    first, second = mean(images), mean(others)
    product = first * second
    squares = first**2 + second**2
    covariance = mean(images * others) - product
    variances = mean(images**2 + others**2) - squares
    luminance = (2 * product + c_1) / (squares + c_1)
    return luminance, (2 * covariance + c_2) / (variances + c_2)


def reconstruct(
    encoder: keras.Model,
    train: Any,
    test: Any,
    feature: str | None = None,
    width: int = 64,
    learning_rate: float = 1e-4,
    batch_size: int = 64,
    epochs: int = 20,
    seed: int = 0,
) -> dict[str, Any]:
    """Trains a decoder from a feature to the image, and scores its images.

    The decoder is a dense layer and three transposed convolutions, each of
    which doubles the size, with batch norm and ReLU, then a convolution and
    tanh; the loss is the mean squared error. The encoder is not changed.

    Args:
        encoder: `keras.Model` of raw pixels in [0, 255], of 11 or more along
            each side.
        train, test: images as `extract` takes them, held in memory.
        feature: str. Defaults to `encoders.default_feature(encoder)`.
        width: int. Channels of the last transposed convolution; the dense layer
            and the convolutions before it have 8, 4 and 2 times as many.
            Defaults to 64, the decoder of Deep InfoMax for images of 32 pixels.
        learning_rate, batch_size, epochs: of Adam. Default to `1e-4`, 64, 20.
        seed: int. Of the order of images. `keras.utils.set_random_seed`
            determines the initial weights. Defaults to 0.

    Returns:
        dict: `"ms_ssim"` and `"mean_squared_error"` of pixels in [0, 1], means
        over the test images; `"ms_ssim_of_mean"`, that of the mean training
        image in place of each; `"images"`, the decoded images, uint8; and
        `"protocol"`.

    Raises:
        ValueError: for an encoder of stored values, small images, and fewer
            than two training images.

    Differs from the authors' code, which reports SSIM at a single scale with
    zeros around the image, under the name of MS-SSIM.

    Reference: [Hjelm et al., 2019](https://arxiv.org/abs/1808.06670), section
    4.1.
    """
    checks.integers(1, width=width, epochs=epochs)
    # Batch normalisation needs two images.
    checks.integers(2, batch_size=batch_size)
    checks.above(0, learning_rate=learning_rate)
    if stored_values.value_range(encoder) is not None:
        raise ValueError(
            "reconstruct takes an encoder of pixels in [0, 255]. Received one "
            f"of stored values, {encoder.name!r}"
        )
    (name,) = features_lib.feature_names(feature, encoder)
    columns = []
    for part in (train, test):
        found = [batch["image"] for batch in batches.iterate(part)]
        pixels = np.concatenate(found)
        columns += [features_lib.extract(encoder, pixels, name)[name], pixels]
    codes, targets, test_codes, images = columns
    checks.integers(2, **{"number of training images": len(codes)})

    def mean_ms_ssim(others):
        return float(np.mean(ops.convert_to_numpy(ms_ssim(images, others))))

    # Before the training, as it refuses small images.
    of_mean = mean_ms_ssim(np.broadcast_to(targets.mean(axis=0), images.shape))
    decoder = _decoder(codes.shape[1], targets.shape[1:], width)
    decoder.compile(keras.optimizers.Adam(learning_rate), "mse")
    draw = np.random.default_rng(seed)
    for _ in range(epochs):
        order = draw.permutation(len(codes))
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            if len(rows) > 1:
                scaled = targets[rows].astype("float32") / 127.5 - 1
                decoder.train_on_batch(codes[rows], scaled)
    decoded = decoder.predict(test_codes, batch_size=256, verbose=0)
    decoded = np.round((decoded + 1) * 127.5).astype("uint8")
    errors = (images.astype("float64") - decoded) / 255
    return {
        "ms_ssim": mean_ms_ssim(decoded),
        "ms_ssim_of_mean": of_mean,
        "mean_squared_error": float(np.mean(errors**2)),
        "images": decoded,
        "protocol": (
            f"decoder of {width * 8}-{width * 4}-{width * 2}-{width} channels "
            f"from {codes.shape[1]} features {name!r}, mean squared error, "
            f"Adam (learning rate {learning_rate:g}), batches of {batch_size}, "
            f"{epochs} epochs of {len(codes)} images, {len(images)} test images"
        ),
    }


def _decoder(units, image_shape, width):
    height, columns, channels = image_shape
    grid = -(-height // 8), -(-columns // 8), 8 * width
    policy = {"dtype": "float32"}

    def normalized(x):
        x = layers.BatchNormalization(momentum=0.9, epsilon=1e-5, **policy)(x)
        return layers.ReLU(**policy)(x)

    code = keras.Input((units,), **policy)
    x = normalized(layers.Dense(int(np.prod(grid)), **policy)(code))
    x = layers.Reshape(grid, **policy)(x)
    for factor in (4, 2, 1):
        x = layers.Conv2DTranspose(
            factor * width, 4, 2, padding="same", **policy
        )(x)
        x = normalized(x)
    x = layers.Conv2D(
        channels, 3, padding="same", use_bias=False, activation="tanh", **policy
    )(x)
    # Other sizes than multiples of 8 are cropped from the next multiple.
    crop = ((0, grid[0] * 8 - height), (0, grid[1] * 8 - columns))
    return keras.Model(code, layers.Cropping2D(crop, **policy)(x))
