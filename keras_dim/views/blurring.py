"""Gaussian blur as two batched matrix products, for each image its own."""

import numpy as np
from keras import ops


def weights(sigmas, size, kernel_size):
    """Returns the weights of old pixels in blurred ones, along one axis.

    Images are padded with their reflection, which does not repeat the edge.
    The result is for `resampling.resample`.

    Args:
        sigmas: float tensor `(batch,)`. Standard deviations, in pixels; 0
            leaves an image as it is.
        size: int. Pixels of the images along the axis.
        kernel_size: int. Pixels of the kernel; odd.

    Returns:
        Float32 tensor `(batch, size, size)`. Its rows add up to 1.
    """
    steps = np.arange(kernel_size) - kernel_size // 2
    # A deviation this small puts all weight on the pixel itself.
    sigmas = ops.maximum(ops.cast(sigmas, "float32"), 1e-3)[:, None]
    kernels = ops.exp(-0.5 * (steps.astype("float32") / sigmas) ** 2)
    kernels = kernels / ops.sum(kernels, axis=1, keepdims=True)
    last = size - 1
    places = last - np.abs(last - np.abs(np.arange(size)[:, None] + steps))
    # One-hot: the old pixel that each place of the kernel reads.
    is_read = np.eye(size, dtype="float32")[places.T]
    is_read = is_read.reshape(kernel_size, size * size)
    return ops.reshape(ops.matmul(kernels, is_read), (-1, size, size))
