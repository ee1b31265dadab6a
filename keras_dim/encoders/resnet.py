"""Residual networks of 18, 34 or 50 layers, for small and large images."""

import keras
from keras import layers

from keras_dim import checks
from keras_dim.encoders import blocks
from keras_dim.layers import initializers
from keras_dim.layers import norm as norm_lib

# Blocks of each of the four stages; those of 50 layers are bottlenecks.
REPEATS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3)}
NORMS = ("batch", "split", "group", "layer")
STEMS = ("small", "large")
# Images of up to this size are not reduced before the first stage.
SMALL_SIZE = 64


def resnet(
    image_size=32,
    channels=3,
    depth=18,
    width=64,
    stem=None,
    norm="batch",
    num_groups=None,
    zero_gamma=True,
    stem_width=None,
):
    """Residual network of 18, 34 or 50 layers, without its classifier.

    As in torchvision: four stages of 1, 2, 4 and 8 times `width` filters, the
    last three of stride 2. The stem for large images is a convolution of 7 x 7
    with stride 2 and max pooling. The stem for small images is a convolution of
    3 x 3, as in contrastive methods on CIFAR-10.

    Args:
        image_size: int. Height and width of the images. Defaults to 32.
        channels: int. Channels of the images. Defaults to 3.
        depth: int. 18, 34 or 50. Defaults to 18.
        width: int. Filters of the first stage. Defaults to 64.
        stem: str. `"small"` or `"large"`. Defaults to None, `"small"` for
            images of up to 64 pixels.
        norm: str. `"batch"`; `"split"`, see `layers.SplitBatchNormalization`;
            `"group"`; or `"layer"`, over all locations and channels of an
            image. Defaults to `"batch"`.
        num_groups: int. Splits of a batch for `"split"`, by default 8; groups
            of channels for `"group"`, by default 32. Other norms take none.
        zero_gamma: bool. Whether the scale of the last norm in each block
            starts at 0, so that the block starts as its shortcut. Defaults to
            `True`.
        stem_width: int. Filters of the stem. Defaults to None, `width`. CMC's
            ResNet v1 is `width=32, stem_width=64`.

    Returns:
        Functional `keras.Model` from raw pixels in [0, 255] to a dict of
        `"local"`, the map of the third stage (8 x 8 x 256 for 32 pixels),
        `"conv"`, that of the last one (4 x 4 x 512), and `"global"`, its mean
        over all locations (512). With 50 layers, maps have four times as many
        channels.

    Raises:
        ValueError: for an unknown depth, norm or stem, and for `num_groups`
            with a norm that has none.

    Reference: [He et al., 2015](https://arxiv.org/abs/1512.03385).
    """
    checks.one_of(REPEATS, depth=depth)
    checks.one_of(NORMS, norm=norm)
    optional = checks.given(num_groups=num_groups, stem_width=stem_width)
    checks.integers(1, image_size=image_size, width=width, **optional)
    if num_groups is not None and norm not in ("split", "group"):
        raise ValueError(
            "Only the norms 'split' and 'group' have `num_groups`. Received: "
            f"norm={norm!r}, num_groups={num_groups}"
        )
    if stem is None:
        stem = "small" if image_size <= SMALL_SIZE else "large"
    checks.one_of(STEMS, stem=stem)

    def convolution(
        x, filters, kernel_size, strides=1, gamma="ones", relu=True
    ):
        def normalization():
            options = {"epsilon": 1e-5, "gamma_initializer": gamma}
            if norm == "batch":
                return norm_lib.batch_normalization(gamma_initializer=gamma)
            if norm == "split":
                splits, options["momentum"] = num_groups or 8, 0.9
                return norm_lib.SplitBatchNormalization(splits, **options)
            groups = 1 if norm == "layer" else num_groups or 32
            return layers.GroupNormalization(groups, **options)

        return blocks.convolution(
            x,
            filters,
            kernel_size,
            strides,
            padding=kernel_size // 2,
            activation=relu,
            make_kernel=initializers.he_fan_out,
            bias_initializer="zeros",
            make_norm=normalization,
        )

    def block(x, filters, strides):
        outputs = filters if depth < 50 else 4 * filters
        last = {"gamma": "zeros" if zero_gamma else "ones", "relu": False}
        if depth < 50:
            branch = convolution(x, filters, 3, strides)
            branch = convolution(branch, filters, 3, **last)
        else:
            branch = convolution(x, filters, 1)
            branch = convolution(branch, filters, 3, strides)
            branch = convolution(branch, outputs, 1, **last)
        if strides > 1 or x.shape[-1] != outputs:
            x = convolution(x, outputs, 1, strides, relu=False)
        return layers.ReLU()(layers.Add()([branch, x]))

    image, x = blocks.raw_pixels(image_size, channels)
    if stem == "small":
        x = convolution(x, stem_width or width, 3)
    else:
        x = convolution(x, stem_width or width, 7, 2)
        x = layers.MaxPooling2D(3, 2)(layers.ZeroPadding2D(1)(x))
    maps = []
    for stage, repeats in enumerate(REPEATS[depth]):
        for index in range(repeats):
            strides = 2 if stage and not index else 1
            x = block(x, width * 2**stage, strides)
        maps.append(x)
    # The mean of half-precision numbers is taken in float32.
    pooled = layers.GlobalAveragePooling2D(dtype="float32", name="global")(x)
    features = {"local": maps[2], "conv": x, "global": pooled}
    return keras.Model(image, features, name=f"resnet{depth}_{image_size}")
