"""Images as grids of overlapping patches that are encoded one by one."""

import numpy as np
from keras import ops

from keras_dim.encoders import features

# Name of the network that encodes patches, within an encoder of images.
NETWORK = "patch_network"


def unfold(images, size, stride=None):
    """Cuts images into patches, which are put into the batch axis.

    Args:
        images: tensor `(batch, height, width, channels)`.
        size: int. Height and width of a patch.
        stride: int, or None for half of the size. Pixels from one patch to
            the next.

    Returns:
        Tensor `(batch * rows * columns, size, size, channels)`, the patches of
        an image one after the other, row by row.
    """
    # `ops.image.extract_patches` is several times slower on a CPU, and fails
    # before Keras 3.14 in a functional model.
    height, width, channels = images.shape[1:]
    patches = ops.take(images, _patch_indices(height, size, stride), axis=1)
    patches = ops.take(patches, _patch_indices(width, size, stride), axis=3)
    # (batch, rows, size, columns, size, channels) before this
    patches = ops.transpose(patches, (0, 1, 3, 2, 4, 5))
    return ops.reshape(patches, (-1, size, size, channels))


def fold(patches, image_size, size, stride=None):
    """Puts encoded patches of one location each back into their grid.

    Args:
        patches: tensor `(batch * rows * columns, 1, 1, channels)`.
        image_size: int. Height and width of the images.
        size, stride: see `unfold`.

    Returns:
        Tensor `(batch, rows, columns, channels)`.
    """
    if tuple(patches.shape[1:3]) != (1, 1):
        raise ValueError(
            "A patch must have been encoded to a single location to be folded "
            f"back. Received patches of shape {tuple(patches.shape)}"
        )
    grid_size = len(_patch_indices(image_size, size, stride))
    return ops.reshape(patches, (-1, grid_size, grid_size, patches.shape[-1]))


def grid_shape(encoder):
    """Returns rows, columns and channels of an encoder's feature `"local"`.

    Raises a `ValueError` where that is no grid of known size.
    """
    shape = features.feature_shapes(encoder, "local")["local"][1:]
    if len(shape) != 3 or None in shape or min(shape[:2]) < 2:
        raise ValueError(
            "The encoder's feature 'local' must be a grid of 2 x 2 patches or "
            "more, (rows, columns, channels), as of encoders.patch_resnet. "
            f"Received: {shape}"
        )
    return shape


def overlap(encoder, step):
    """Returns whether locations `step` rows apart have pixels in common.

    An image is cut into horizontal bands, two to a row of the grid, which are
    changed one by one to see which rows of the grid respond. Receptive fields
    that do not overlap can share one band at their border, but not two.

    Args:
        encoder: `keras.Model` that `grid_shape` takes, of images.
        step: int. From one row of the grid to the other.
    """
    rows = grid_shape(encoder)[0]
    shape = encoder.input.shape[1:]
    image = np.random.default_rng(0).uniform(0, 255, shape)
    bands = np.array_split(np.arange(shape[0]), 2 * rows)
    images = np.stack([image] * (1 + len(bands))).astype("float32")
    for changed, band in zip(images[1:], bands, strict=True):
        changed[band] = 255 - changed[band]
    grids = encoder(images, training=False)["local"]
    grids = ops.convert_to_numpy(ops.cast(grids, "float32"))
    change = np.abs(grids[1:] - grids[0]).max(axis=(2, 3))
    is_seen = change > 1e-4 * grids[0].std()
    is_shared = is_seen[:, :-step] & is_seen[:, step:]
    return is_shared.sum(axis=0).max() > 1


def is_of_patches(encoder):
    """Returns whether an encoder has a network of patches within it."""
    return any(layer.name == NETWORK for layer in encoder.layers)


def network_of(encoder):
    """Returns the network that encodes patches within an encoder.

    Raises a `ValueError` for an encoder that has none of that name.
    """
    if not is_of_patches(encoder):
        names = [layer.name for layer in encoder.layers]
        raise ValueError(
            "To change patches, the encoder must pass them through a network "
            f"called {NETWORK!r}, as encoders.patch_resnet does. Received an "
            f"encoder of {names}"
        )
    return encoder.get_layer(NETWORK)


def encode(encoder, images, patch_views):
    """Returns an encoder's grid of patches, each augmented on its own.

    Args:
        encoder: `keras.Model` that `network_of` takes.
        images: tensor `(batch, height, width, channels)`.
        patch_views: layer from patches to a dict with `"image"`. It is called
            in training.

    Returns:
        Tensor `(batch, rows, columns, channels)`.
    """
    network, (rows, _, _) = network_of(encoder), grid_shape(encoder)
    size, image_size = network.input.shape[1], images.shape[1]
    grid = size, (image_size - size) // (rows - 1)
    changed = patch_views(unfold(images, *grid), training=True)["image"]
    vectors = network(changed, training=True)[:, None, None, :]
    return fold(vectors, image_size, *grid)


def _patch_indices(length, size, stride):
    """Returns the indices of each patch along a side: `(patches, size)`."""
    if length < size:
        raise ValueError(
            f"Images must have {size} pixels a side or more, the size of a "
            f"patch. Received: {length}"
        )
    starts = np.arange(0, length - size + 1, stride or size // 2)
    return starts[:, None] + np.arange(size)
