"""AlexNet-like networks, of whole images or of patches."""

import keras
from keras import layers

from keras_dim.encoders import blocks
from keras_dim.encoders import patches
from keras_dim.layers import initializers

# Filters, kernel size, stride and padding of each convolution, and whether max
# pooling follows.
WHOLE = (
    (96, 3, 1, 1, True),
    (192, 3, 1, 1, True),
    (384, 3, 1, 1, False),
    (384, 3, 1, 1, False),
    (192, 3, 1, 1, True),
)
HALF = (
    (48, 11, 4, 2, True),
    (128, 5, 1, 2, True),
    (192, 3, 1, 1, False),
    (192, 3, 1, 1, False),
    (128, 3, 1, 1, True),
)
PATCH_SIZE = 16


def dim_alexnet(
    image_size=64, channels=3, units=4096, global_units=64, variational=False
):
    """AlexNet-like encoder of Deep InfoMax, alex64x64.

    Five convolutions of stride 1 with max pooling, two dense layers and a
    linear one; the network of the Tiny ImageNet and STL-10 tables.

    Args:
        image_size: int. Height and width of the images, 15 at least. Defaults
            to 64, the published one.
        units: int. Width of both dense layers. Defaults to 4096.
        channels, global_units, variational: see `dim_convnet`.

    Returns:
        Functional `keras.Model` from raw pixels in [0, 255] to a dict of
        `"local"` (15 x 15 x 384 for 64 pixels), `"conv"` (7 x 7 x 192),
        `"fc"` and `"global"`.

    Reference: [Hjelm et al., 2019](https://arxiv.org/abs/1808.06670).
    """
    image, x = blocks.raw_pixels(image_size, channels)
    maps = _convolutions(x)
    x = blocks.dense(layers.Flatten()(maps[-1]), units)
    features = {
        "local": maps[2],
        "conv": maps[-1],
        "fc": blocks.dense(x, units, name="fc"),
    }
    name = f"dim_alexnet_{image_size}"
    return blocks.encoder(image, features, global_units, variational, name)


def small_alexnet(image_size=64, channels=3, units=4096):
    """SmallAlexNet, the network of alignment and uniformity on STL-10.

    The convolutions of `dim_alexnet`, all weights from N(0, 0.02).

    Args:
        image_size: int. Height and width of the images, 15 at least. Defaults
            to 64.
        channels: int. Channels of the images. Defaults to 3.
        units: int. Width of both dense layers. Defaults to 4096.

    Returns:
        Functional `keras.Model` from raw pixels in [0, 255] to a dict of
        `"conv"` (7 x 7 x 192 for 64 pixels), `"fc"` and `"global"`, the first
        and the second dense layer.

    Reference: [Wang and Isola, 2020](https://arxiv.org/abs/2005.10242).
    """
    image, x = blocks.raw_pixels(image_size, channels)
    conv = _convolutions(x, make_kernel=_normal)[-1]
    name = f"small_alexnet_{image_size}"
    return _two_dense(image, conv, units, name, make_kernel=_normal)


def half_alexnet(image_size=224, channels=3, units=2048):
    """AlexNet with half of its filters, batch-normalised.

    Args:
        image_size: int. Height and width of the images, 63 at least. Defaults
            to 224.
        channels: int. Channels of the images. Defaults to 3.
        units: int. Width of both dense layers. Defaults to 2048.

    Returns:
        Functional `keras.Model` from raw pixels in [0, 255] to a dict of
        `"conv"` (6 x 6 x 128 for 224 pixels), `"fc"` and `"global"`, the first
        and the second dense layer.

    Reference: [Tian et al., 2019](https://arxiv.org/abs/1906.05849).
    """
    image, x = blocks.raw_pixels(image_size, channels)
    conv = _convolutions(x, HALF, make_kernel=initializers.he_fan_out)[-1]
    name = f"half_alexnet_{image_size}"
    return _two_dense(image, conv, units, name, use_bias=True)


def folded_dim_alexnet(
    image_size=64,
    channels=3,
    multiple_globals=False,
    units=4096,
    global_units=64,
    variational=False,
):
    """AlexNet-like encoder on overlapping patches of 16 pixels.

    The networks of the comparison with contrastive predictive coding on
    STL-10. With a single global vector, foldalex64x64: dropout, initial
    weights of N(0, 0.02) and biases as there. With multiple globals,
    foldmultialex64x64: the 5 x 5 locations of a last map are the summaries.

    Args:
        image_size: int. Height and width of the images. Defaults to 64.
        multiple_globals: bool. Whether to make foldmultialex64x64, which has
            no dense layer and is not variational. Defaults to `False`.
        units: int. Width of the dense layer. Defaults to 4096.
        channels, global_units, variational: see `dim_convnet`.

    Returns:
        Functional `keras.Model` from raw pixels in [0, 255] to a dict of
        `"local"` and `"conv"` (7 x 7 x 192 for 64 pixels), `"fc"` and
        `"global"`; with multiple globals no `"fc"`, and `"global"` is
        `(batch, 5, 5, 192)`.

    Reference: [Hjelm et al., 2019](https://arxiv.org/abs/1808.06670).
    """
    if multiple_globals and variational:
        raise ValueError(
            "`variational` needs a single global vector. Received: "
            "multiple_globals=True, variational=True"
        )
    image, x = blocks.raw_pixels(image_size, channels)
    x = patches.unfold(x, PATCH_SIZE)
    if multiple_globals:
        local = patches.fold(_convolutions(x)[-1], image_size, PATCH_SIZE)
        summaries = blocks.convolution(local, 192, 3)
        summaries = blocks.convolution(summaries, 192, 1)
        features = {"local": local, "conv": local, "global": summaries}
        name = f"folded_dim_alexnet_multiple_{image_size}"
        return keras.Model(image, features, name=name)
    options = {"dropout": 0.1, "make_kernel": _normal}
    x = _convolutions(x, use_bias=True, make_kernel=_normal)[-1]
    local = patches.fold(x, image_size, PATCH_SIZE)
    x = blocks.convolution(local, 384, 3, 2, **options)
    x = layers.Flatten()(x)
    fc = blocks.dense(x, units, name="fc", use_bias=True, **options)
    features = {"local": local, "conv": local, "fc": fc}
    name = f"folded_dim_alexnet_{image_size}"
    return blocks.encoder(image, features, global_units, variational, name)


def _normal():
    return keras.initializers.RandomNormal(stddev=0.02)


def _convolutions(x, table=WHOLE, **options):
    """Returns the map after each convolution."""
    maps = []
    for *arguments, pool in table:
        x = blocks.convolution(x, *arguments, **options)
        maps.append(layers.MaxPooling2D(3, 2)(x) if pool else x)
        x = maps[-1]
    return maps


def _two_dense(image, conv, units, name, **options):
    """Returns the model of the last map and of two dense layers on it."""
    features, x = {"conv": conv}, layers.Flatten()(conv)
    for feature in ("fc", "global"):
        features[feature] = x = blocks.dense(x, units, feature, **options)
    return keras.Model(image, features, name=name)
