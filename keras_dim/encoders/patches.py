"""Images as grids of overlapping patches that are encoded one by one."""

import numpy as np
from keras import ops


def unfold(images, size):
    """Cuts images into patches that overlap by half, in the batch axis.

    Returns:
        Tensor `(batch * rows * columns, size, size, channels)`, the patches of
        an image one after the other, row by row.
    """
    # `ops.image.extract_patches` is several times slower on a CPU, and fails
    # before Keras 3.14 in a functional model.
    height, width, channels = images.shape[1:]
    patches = ops.take(images, _patch_indices(height, size), axis=1)
    patches = ops.take(patches, _patch_indices(width, size), axis=3)
    # (batch, rows, size, columns, size, channels) before this
    patches = ops.transpose(patches, (0, 1, 3, 2, 4, 5))
    return ops.reshape(patches, (-1, size, size, channels))


def fold(patches, image_size, size):
    """Puts encoded patches of one location each back into their grid.

    Returns:
        Tensor `(batch, rows, columns, channels)`.
    """
    if tuple(patches.shape[1:3]) != (1, 1):
        raise ValueError(
            "A patch must have been encoded to a single location to be folded "
            f"back. Received patches of shape {tuple(patches.shape)}"
        )
    grid_size = len(_patch_indices(image_size, size))
    return ops.reshape(patches, (-1, grid_size, grid_size, patches.shape[-1]))


def _patch_indices(length, size):
    """Returns the indices of each patch along a side: `(patches, size)`."""
    starts = np.arange(0, length - size + 1, size // 2)
    return starts[:, None] + np.arange(size)
