"""The residual network of AMDIM."""

import keras
from keras import layers
from keras import ops

from keras_dim import checks
from keras_dim.encoders import blocks
from keras_dim.layers import norm

# By image size: mean and deviation of each channel, of pixels in [0, 1]. Those
# of CIFAR-10, of STL-10 and of ImageNet, with the digits of the authors' code.
STATISTICS = {
    32: (
        (125.3 / 255, 123.0 / 255, 113.9 / 255),
        (63.0 / 255, 62.1 / 255, 66.7 / 255),
    ),
    64: ((0.43, 0.42, 0.39), (0.27, 0.26, 0.27)),
    128: ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}
# Mean and deviation for images that are not RGB.
NEUTRAL = (0.5, 0.25)


def amdim_resnet(
    image_size=32,
    base_width=128,
    representation_units=1024,
    depth=3,
    channels=3,
    use_batch_norm=False,
    pixel_statistics=None,
):
    """Encoder of AMDIM: features of an image at three scales.

    Of the `depth` residual layers of a block, only the first sees more than
    one location. Only images of 128 pixels are padded, before the first layer.
    Each residual layer starts as average pooling, since the last convolution
    of its branch starts at zero.

    Args:
        image_size: int. Height and width: 32, 64 or 128. Defaults to 32.
        base_width: int. Channels of the first layer. Defaults to 128.
        representation_units: int. Width of the global vector, at least that
            of the maps, `4 * base_width` at 32 pixels and else
            `8 * base_width`. Defaults to 1024.
        depth: int. Residual layers to a block. Defaults to 3.
        channels: int. Channels of the images. Defaults to 3.
        use_batch_norm: bool. Whether to batch-normalise within the blocks, too,
            which can make the task too easy. Defaults to `False`, the authors'
            choice.
        pixel_statistics: pair of the mean and the standard deviation of pixels
            in [0, 1], each a number or a tuple of one for each channel.
            Defaults to None: the authors' for that image size, or 0.5 and 0.25
            where images do not have 3 channels.

    Returns:
        Functional `keras.Model` from raw pixels in [0, 255] to a dict of
        `"map_7"` and `"map_5"`, of 7 x 7 and 5 x 5 locations, and `"global"`,
        of shape `(batch, representation_units)`, which is batch-normalised.

    Raises:
        ValueError: for another image size, a global vector narrower than the
            maps, and statistics that are not those of pixels in [0, 1].

    Reference: [Bachman et al., 2019](https://arxiv.org/abs/1906.00910) and
    the code published with it.
    """
    checks.one_of(STATISTICS, image_size=image_size)
    checks.integers(1, base_width=base_width, depth=depth)
    checks.integers(1, representation_units=representation_units)
    map_width = (4 if image_size == 32 else 8) * base_width
    if representation_units < map_width:
        raise ValueError(
            "`representation_units` must be at least the width of the maps, "
            f"{map_width} for image_size={image_size} and base_width="
            f"{base_width}. Received: {representation_units}"
        )
    mean, deviation = pixel_statistics or (
        STATISTICS[image_size] if channels == 3 else NEUTRAL
    )
    image, x = blocks.raw_pixels(image_size, channels, mean, deviation)

    make_norm = norm.batch_normalization if use_batch_norm else None
    norm_or_bias = {"make_norm": make_norm, "use_bias": not use_batch_norm}

    def residual(x, filters, kernel_size, strides):
        """A branch of two convolutions beside average pooling."""
        options = {"make_norm": make_norm, "bias_initializer": "zeros"}
        branch = blocks.convolution(x, filters, kernel_size, strides, **options)
        branch = layers.Conv2D(
            filters, 1, use_bias=False, kernel_initializer="zeros"
        )(branch)
        if kernel_size > 1:
            x = layers.AveragePooling2D(kernel_size, strides)(x)
        more = filters - x.shape[-1]
        if more > 0:
            x = ops.pad(x, [[0, 0], [0, 0], [0, 0], [0, more]])
        return layers.Add()([branch, x])

    def block(x, filters, kernel_size, strides):
        x = residual(x, filters, kernel_size, strides)
        for _ in range(depth - 1):
            x = residual(x, filters, 1, 1)
        return x

    width = base_width
    if image_size == 128:
        x = ops.pad(x, [[0, 0], [2, 2], [2, 2], [0, 0]], "reflect")
        x = blocks.convolution(x, base_width, 5, 2, **norm_or_bias)
    x = blocks.convolution(x, base_width, 3, 1, **norm_or_bias)
    if image_size == 32:
        x = residual(x, width, 1, 1)
    else:
        width *= 2
        x = block(x, width, 4, 2)
    x = block(x, 2 * width, 4, 2)
    x = block(x, 4 * width, 2, 2)
    map_7 = norm.batch_normalization()(x) if use_batch_norm else x
    map_5 = block(map_7, map_width, 3, 1)
    x = block(map_5, map_width, 3, 1)
    x = residual(x, representation_units, 3, 1)
    representation = norm.batch_normalization()(layers.Flatten()(x))
    return keras.Model(
        image,
        {"map_7": map_7, "map_5": map_5, "global": representation},
        name=f"amdim_resnet_{image_size}",
    )
