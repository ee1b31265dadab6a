"""A residual network on each patch of an image, for predictive coding."""

import keras
from keras import layers

from keras_dim import checks
from keras_dim.encoders import patches
from keras_dim.encoders.resnet import resnet

# By image size: size of the patches, and the stride from one to the next.
GRIDS = {
    30: (10, 5),
    32: (8, 4),
    64: (16, 8),
    224: (56, 28),
    256: (64, 32),
    260: (80, 36),
}


def patch_resnet(
    image_size=64,
    channels=3,
    patch_size=None,
    stride=None,
    depth=18,
    width=64,
    norm="layer",
    num_groups=None,
):
    """Residual network on overlapping patches, without batch norm.

    The image is cut into a grid of patches, each of which `encoders.resnet`
    turns into a vector, the mean over its last map. Layer norm is the default,
    as batch norm would let a patch see the others.

    Args:
        image_size: int. Height and width of the images. Defaults to 64.
        channels: int. Channels of the images. Defaults to 3.
        patch_size: int. Height and width of a patch, 8 at least. Defaults to
            None, the published one for images of 30, 32, 64, 224, 256 or 260
            pixels, such as 16 for 64.
        stride: int. Pixels from one patch to the next. Defaults to None: the
            published one where `patch_size` is None, too, else half of the
            patch.
        depth, width, norm, num_groups: see `encoders.resnet`. Defaults to 18,
            64 and `"layer"`.

    Returns:
        Functional `keras.Model` from raw pixels in [0, 255] to a dict of
        `"local"`, the vectors of all patches (7 x 7 x 512 for 64 pixels), and
        `"global"`, their mean.

    Raises:
        ValueError: for images without a published grid, and for patches that
            do not fill the image.

    Reference: [van den Oord et al., 2018](https://arxiv.org/abs/1807.03748),
    with grids and norm of [Henaff et al., 2020](
    https://arxiv.org/abs/1905.09272) and of small-image versions.
    """
    checks.integers(1, **checks.given(stride=stride))
    published_stride = None
    if patch_size is None:
        if image_size not in GRIDS:
            raise ValueError(
                f"There is no published grid for images of {image_size} "
                f"pixels: set `patch_size`, or take one of {list(GRIDS)}"
            )
        patch_size, published_stride = GRIDS[image_size]
    checks.integers(8, image_size, patch_size=patch_size)
    stride = stride or published_stride or patch_size // 2
    if (image_size - patch_size) % stride:
        raise ValueError(
            f"Patches of {patch_size} pixels every {stride} pixels do not fill "
            f"images of {image_size} pixels: {image_size} - {patch_size} must "
            f"be a multiple of {stride}"
        )
    # The network of a patch takes raw pixels, too.
    image = keras.Input((image_size, image_size, channels), name="image")
    x = patches.unfold(image, patch_size, stride)
    options = {"stem": "small", "norm": norm, "num_groups": num_groups}
    of_patch = resnet(patch_size, channels, depth, width, **options)
    of_patch = keras.Model(
        of_patch.input, of_patch.output["global"], name=patches.NETWORK
    )
    vectors = of_patch(x)[:, None, None, :]
    local = patches.fold(vectors, image_size, patch_size, stride)
    pooled = layers.GlobalAveragePooling2D(dtype="float32", name="global")
    features = {"local": local, "global": pooled(local)}
    return keras.Model(
        image, features, name=f"patch_resnet{depth}_{image_size}"
    )
