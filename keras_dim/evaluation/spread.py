"""How much features vary, and in how many directions."""

import numpy as np


def effective_rank(features: np.ndarray) -> float:
    """Returns how many directions features vary in, as if all were equal.

    It is the exponential of the entropy of the singular values of the
    features without their mean: 1 for features on a line, the number of units
    for features that vary equally in all directions, 0 for features that do
    not vary, NaN for features that are not finite.

    Args:
        features: float array `(num_images, units)` of two images or more. The
            rank is at most `min(num_images - 1, units)`: take several images
            to a unit, or compare only measurements with equally many.

    Reference: O Roy and M Vetterli, The effective rank: a measure of effective
    dimensionality, EUSIPCO 2007.
    """
    features = checked(features)
    if not np.all(np.isfinite(features)):
        return float("nan")
    singular = np.linalg.svd(features - features.mean(axis=0), compute_uv=False)
    return exp_entropy(singular)


def deviations(features: np.ndarray) -> np.ndarray:
    """Returns the standard deviation of each feature, float64 `(units,)`."""
    return checked(features).std(axis=0)


def relative_deviation(features: np.ndarray) -> float:
    """Returns the size of features without their mean, relative to their size.

    Sizes are root mean squares. It is 0 for features that are the same for all
    images, or all zero; 1 for features whose mean is zero.
    """
    features = checked(features)
    size = np.linalg.norm(features)
    varying = np.linalg.norm(features - features.mean(axis=0))
    return float(varying / size) if size else 0.0


def exp_entropy(sizes: np.ndarray, epsilon: float = 0.0) -> float:
    """Returns the exponential of the entropy of sizes' shares of their sum.

    `epsilon` is added to each share, as some papers do; 0 for sizes of zero.
    """
    if not sizes.any():
        return 0.0
    shares = sizes / sizes.sum() + epsilon
    shares = shares[shares > 0]
    return float(np.exp(-np.sum(shares * np.log(shares))))


def checked(features):
    """Returns features as float64; refuses all but `(images >= 2, units)`."""
    features = np.asarray(features, np.float64)
    if features.ndim != 2 or len(features) < 2 or not features.shape[1]:
        raise ValueError(
            "Features must have the shape (num_images, units), of two images "
            f"or more. Received: {features.shape}"
        )
    return features
