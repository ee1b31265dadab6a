"""The residual networks of Deep InfoMax, whole and in patches."""

from keras import layers

from keras_dim import checks
from keras_dim.encoders import blocks
from keras_dim.encoders import patches

# Depth by name: how often each of the five groups of blocks is repeated.
REPEATS = {19: (2, 1, 1, 1, 1), 34: (3, 1, 5, 1, 2)}
# Bottleneck filters and stride of the five groups.
GROUPS = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1))
PATCH_SIZE = 8


def dim_resnet(
    image_size=32,
    channels=3,
    depth=19,
    folded=False,
    units=1024,
    global_units=64,
    variational=False,
):
    """Bottleneck residual encoder of Deep InfoMax.

    The authors' resnet19_32x32 and resnet34_32x32. The folded versions encode
    overlapping patches of 8 pixels; the paper compares them with contrastive
    predictive coding on CIFAR-10.

    Args:
        image_size: int. Height and width of the images. Defaults to 32.
        depth: int. 19 or 34, as the authors count. Defaults to 19.
        folded: bool. Whether to encode patches. Defaults to `False`.
        channels, units, global_units, variational: see `dim_convnet`.

    Returns:
        Functional `keras.Model` from raw pixels in [0, 255] to a dict of
        `"local"` (8 x 8 x 512 for 32 pixels), `"conv"` (4 x 4 x 1024),
        `"fc"` and `"global"`; folded, `"local"` and `"conv"` are the same
        7 x 7 x 1024.

    Differs from the authors' code in the folded network of depth 34, where
    two groups have lost their blocks and strides: this is the topology of an
    earlier commit of theirs.

    Reference: [Hjelm et al., 2019](https://arxiv.org/abs/1808.06670).
    """
    checks.one_of(REPEATS, depth=depth)
    image, x = blocks.raw_pixels(image_size, channels)
    if folded:
        x = patches.unfold(x, PATCH_SIZE)
    x = blocks.convolution(x, 64, 3, 2, padding=1)
    maps = []
    for (filters, strides), repeats in zip(GROUPS, REPEATS[depth], strict=True):
        for index in range(repeats):
            x = _bottleneck(x, filters, strides if index == 0 else 1)
        maps.append(x)
    if folded:
        x = patches.fold(x, image_size, PATCH_SIZE)
    features = {
        "local": x if folded else maps[1],
        "conv": x,
        "fc": blocks.dense(layers.Flatten()(x), units, name="fc"),
    }
    name = f"{'folded_' * folded}dim_resnet{depth}_{image_size}"
    return blocks.encoder(image, features, global_units, variational, name)


def _bottleneck(x, filters, strides):
    branch = blocks.convolution(x, filters, 1)
    branch = blocks.convolution(branch, filters, 3, strides, padding=1)
    branch = blocks.convolution(branch, 4 * filters, 1, activation=False)
    if strides > 1 or x.shape[-1] != 4 * filters:
        x = blocks.convolution(x, 4 * filters, 1, strides, activation=False)
    return layers.ReLU()(layers.Add()([branch, x]))
