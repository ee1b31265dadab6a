"""How much of an image its features hold: a decoder, and MS-SSIM."""

from typing import Any

import keras
import numpy as np
from keras import layers
from keras import ops

from keras_dim import batches
from keras_dim import checks
from keras_dim.evaluation import features as features_lib

# Of the five scales of the paper, from the finest on.
WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
WINDOW = 11
_DEVIATION = 1.5
_K = (0.01, 0.03)


def ms_ssim(images: Any, others: Any, max_value: float = 255.0) -> Any:
    """Returns the multi-scale structural similarity of each pair of images.

    Windows of 11 x 11 pixels with Gaussian weights that lie within the image;
    between scales, images are averaged over 2 x 2 pixels. There are as many of
    the five scales as have room for a window, with their weights scaled to a
    sum of 1: all from 176 pixels on, two for 22 to 43, one for 11 to 21, which
    is SSIM.

    Args:
        images, others: tensors `(num_images, height, width, channels)`, of
            11 pixels or more along each side.
        max_value: float. The range of pixels. Defaults to 255.

    Returns:
        Float32 tensor `(num_images,)`, 1 for equal images.

    Reference: Z Wang, E Simoncelli and A Bovik, Multiscale structural
    similarity for image quality assessment, 2003.
    """
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
        # A power of a negative number is none.
        power = weight / sum(WEIGHTS[:num_scales])
        result = result * ops.maximum(similarity, 0.0) ** power
        images, others = (
            ops.average_pool(x, 2, 2, "valid", "channels_last")
            for x in (images, others)
        )
    return ops.mean(result, axis=-1)


def _similarity(images, others, max_value):
    """Returns luminance, and contrast times structure, of each window."""
    places = np.arange(WINDOW) - WINDOW // 2
    weights = np.exp(-(places**2) / (2 * _DEVIATION**2))
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

    A dense layer and three transposed convolutions, each doubling the size,
    with batch norm and ReLU, then a convolution and tanh; the loss is the mean
    squared error. The encoder stays as it is.

    Args:
        encoder: `keras.Model` of images of 11 pixels or more.
        train, test: images as `extract` takes them, held in memory.
        feature: str. Defaults to `encoders.default_feature(encoder)`.
        width: int. Channels of the last transposed convolution; the ones
            before it have 2, 4 and 8 times as many. Defaults to 64, for images
            of 32 pixels the decoder of Deep InfoMax.
        learning_rate, batch_size, epochs: of Adam. Default to `1e-4`, 64, 20.
        seed: int. Of the order; weights come from
            `keras.utils.set_random_seed`. Defaults to 0.

    Returns:
        dict: `"ms_ssim"` and `"mean_squared_error"` of pixels in [0, 1], means
        over the test images; `"ms_ssim_of_mean"`, that of the mean training
        image in place of each; `"images"`, uint8, those decoded; and
        `"protocol"`.

    Differs from the authors' code, which reports SSIM at a single scale with
    zeros around the image, under the name of MS-SSIM.

    Reference: [Hjelm et al., 2019](https://arxiv.org/abs/1808.06670), 4.1.
    """
    checks.integers(1, width=width, batch_size=batch_size, epochs=epochs)
    checks.above(0, learning_rate=learning_rate)
    (name,) = features_lib.feature_names(feature, encoder)
    columns = []
    for part in (train, test):
        found = [batch["image"] for batch in batches.iterate(part)]
        pixels = np.concatenate(found)
        columns += [features_lib.extract(encoder, pixels, name)[name], pixels]
    codes, targets, test_codes, images = columns
    decoder = _decoder(codes.shape[1], targets.shape[1:], width)
    decoder.compile(keras.optimizers.Adam(learning_rate), "mse")
    draw = np.random.default_rng(seed)
    for _ in range(epochs):
        order = draw.permutation(len(codes))
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            # Batch norm compares images.
            if len(rows) > 1:
                wanted = targets[rows].astype("float32") / 127.5 - 1
                decoder.train_on_batch(codes[rows], wanted)
    decoded = decoder.predict(test_codes, batch_size=256, verbose=0)
    decoded = np.round((decoded + 1) * 127.5).astype("uint8")
    mean = np.broadcast_to(targets.mean(axis=0), images.shape)
    scores = (
        float(np.mean(ops.convert_to_numpy(ms_ssim(images, each))))
        for each in (decoded, mean)
    )
    errors = (images.astype("float64") - decoded) / 255
    return {
        **dict(zip(("ms_ssim", "ms_ssim_of_mean"), scores, strict=True)),
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
    # Sizes that are no multiple of 8 are cut out of the next one.
    crop = ((0, grid[0] * 8 - height), (0, grid[1] * 8 - columns))
    return keras.Model(code, layers.Cropping2D(crop, **policy)(x))
