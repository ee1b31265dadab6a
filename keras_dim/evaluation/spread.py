"""Measures of how much features vary, and in how many directions.

Each takes a float array `(num_images, units)` of two images or more.
"""

import numpy as np


def effective_rank(features: np.ndarray) -> float:
    """Returns how many directions features vary in, as if all were equal.

    It is the exponential of the entropy of the singular values of the
    features, their mean being taken off: 1 for features on a line, the
    number of units for features that vary equally in all directions.

    Args:
        features: float array `(num_images, units)`. The rank is at most
            `min(num_images - 1, units)`: take several images to a unit, or
            compare only measurements with equally many.

    Returns:
        float. 0 for features that do not vary at all, NaN for features that
        are not finite.

    Reference: O Roy and M Vetterli, The effective rank: a measure of effective
    dimensionality, EUSIPCO 2007.
    """
    features = _checked(features)
    if not np.all(np.isfinite(features)):
        return float("nan")
    singular = np.linalg.svd(features - features.mean(axis=0), compute_uv=False)
    total = singular.sum()
    if not total:
        return 0.0
    shares = singular[singular > 0] / total
    return float(np.exp(-np.sum(shares * np.log(shares))))


def deviations(features: np.ndarray) -> np.ndarray:
    """Returns the standard deviation of each feature, float64 `(units,)`."""
    return _checked(features).std(axis=0)


def relative_deviation(features: np.ndarray) -> float:
    """Returns how much features vary, measured by how large they are.

    The root mean square of the features without their mean, over that of the
    features: 0 for features that are the same for all images, or all zero; 1
    for features whose mean is zero.
    """
    features = _checked(features)
    size = np.sqrt(np.mean(np.square(features)))
    if not size:
        return 0.0
    varying = features - features.mean(axis=0)
    return float(np.sqrt(np.mean(np.square(varying))) / size)


def _checked(features):
    features = np.asarray(features, np.float64)
    if features.ndim != 2 or len(features) < 2 or not features.shape[1]:
        raise ValueError(
            "Features must have the shape (num_images, units), of two images "
            f"or more. Received: {features.shape}"
        )
    return features
