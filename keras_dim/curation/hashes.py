"""A hash that similar images share most bits of."""

import numpy as np

from keras_dim import checks
from keras_dim.curation import alignment


def perceptual_hash(greys: np.ndarray) -> np.ndarray:
    """Returns the signs of low frequencies about their median.

    The 8 x 8 lowest coefficients of the discrete cosine transform, without
    the mean of the image, are each compared with their median. Re-encoding,
    resizing, brightness and contrast change few of the bits; a crop changes
    about 20.

    Args:
        greys: uint8 array `(num_images, 32, 32)`, as of `curation.greys`.

    Returns:
        bool array `(num_images, 63)`. Two hashes differ in `sum(a != b)` bits.

    Reference: C Zauner, Implementation and Benchmarking of Perceptual Image
    Hash Functions, 2010, section 3.2.
    """
    from scipy import fft

    greys = np.asarray(greys)
    side = alignment.SIDE
    checks.shape((None, side, side), greys=greys)
    low = fft.dctn(greys.astype(np.float32), axes=(1, 2))[:, :8, :8]
    low = low.reshape(len(greys), -1)[:, 1:]
    return low > np.median(low, axis=1, keepdims=True)
