"""Images as grids of overlapping patches that are encoded one by one."""

from keras import ops


def unfold(images, size):
    """Cuts images into patches that overlap by half, in the batch axis.

    Args:
        images: tensor `(batch, height, width, channels)`.
        size: int. Height and width of a patch; the stride is half of it.

    Returns:
        Tensor `(batch * rows * columns, size, size, channels)`, the patches of
        an image one after the other, row by row.
    """
    patches = ops.image.extract_patches(
        images, size, strides=size // 2, padding="valid"
    )
    return ops.reshape(patches, (-1, size, size, images.shape[-1]))


def fold(patches, grid_size):
    """Puts encoded patches of one location each back into their grid.

    Args:
        patches: tensor `(batch * grid_size * grid_size, 1, 1, channels)`.
        grid_size: int. Rows and columns of the grid.

    Returns:
        Tensor `(batch, grid_size, grid_size, channels)`.
    """
    if tuple(patches.shape[1:3]) != (1, 1):
        raise ValueError(
            "A patch must have been encoded to a single location to be folded "
            f"back. Received patches of shape {tuple(patches.shape)}"
        )
    return ops.reshape(patches, (-1, grid_size, grid_size, patches.shape[-1]))


def grid_size(image_size, size):
    """Returns how many patches of `size` fit along a side, half by half."""
    return 2 * (image_size // size) - 1
