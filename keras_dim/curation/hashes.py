"""Perceptual hashes: those of similar images differ in few bits."""

import numpy as np

from keras_dim.curation import alignment


def perceptual_hash(greys: np.ndarray) -> np.ndarray:
    """Returns a hash of each image: whether low frequencies exceed the median.

    The lowest 8 x 8 coefficients of the discrete cosine transform, without
    the mean of the image, are each compared with their median. Re-encoding,
    resizing, brightness and contrast change few of the bits; a crop changes
    about 20.

    Args:
        greys: uint8 array `(num_images, 32, 32)`, as of `curation.greys`.

    Returns:
        bool array `(num_images, 63)`. Two hashes differ in `sum(a != b)` bits.

    Raises:
        ValueError: for another shape or type.

    Reference: C Zauner, Implementation and Benchmarking of Perceptual Image
    Hash Functions, 2010, section 3.2.
    """
    from scipy import fft

    greys = alignment.checked_greys(greys)
    low = fft.dctn(greys.astype(np.float32), axes=(1, 2))[:, :8, :8]
    low = low.reshape(len(greys), -1)[:, 1:]
    return low > np.median(low, axis=1, keepdims=True)
