"""Images unlike all others."""

import numpy as np

from keras_dim import checks
from keras_dim import neighbors


def outliers(
    features: np.ndarray | None,
    k: int = 10,
    cosines: np.ndarray | None = None,
) -> np.ndarray:
    """Returns how far each image is from its nearest images.

    It is the mean of 1 - cosine over the `k` nearest neighbours. Copies hide
    each other: look for duplicates first.

    Args:
        features: array `(num_images, units)`.
        k: int. Number of neighbours; all other images where they are fewer.
            Defaults to `10`.
        cosines: array `(num_images, k or more)` of neighbours, the nearest
            first, as of `keras_dim.neighbors.nearest`, if they are known
            already; `features` may be None then.

    Returns:
        float32 array `(num_images,)`, from 0 to 2; larger for outliers.

    Raises:
        ValueError: for features that `neighbors.nearest` refuses, and a `k`
            below 1.

    Reference: F Angiulli and C Pizzuti, Fast Outlier Detection in High
    Dimensional Spaces, PKDD 2002.
    """
    checks.integers(1, k=k)
    if cosines is None:
        k = min(k, max(1, len(features) - 1))
        _, cosines = neighbors.nearest(features, k)
    return 1 - cosines[:, :k].mean(axis=1)
