"""How much features vary, and in how many directions."""

import numpy as np


def effective_rank(features: np.ndarray) -> float:
    """Returns the effective number of directions in which features vary.

    It is the exponential of the entropy of the singular values' shares of their
    sum, after the mean is subtracted.

    Args:
        features: float array `(num_images, units)` of two images or more. The
            rank is at most `min(num_images - 1, units)`: use several images
            per unit, or compare only measurements of the same shape.

    Returns:
        float. 1 for features on a line, the number of units for features that
        vary equally in all directions, 0 for features that do not vary, NaN for
        features that are not finite.

    Reference: O Roy and M Vetterli, The effective rank: a measure of effective
    dimensionality, EUSIPCO 2007.
    """
    features = checked(features)
    if not np.all(np.isfinite(features)):
        return float("nan")
    return exp_entropy(np.linalg.svd(centred(features), compute_uv=False))


def deviations(features: np.ndarray) -> np.ndarray:
    """Returns the standard deviation of each unit, float64 `(units,)`."""
    return np.sqrt(np.mean(centred(checked(features)) ** 2, axis=0))


def relative_deviation(features: np.ndarray) -> float:
    """Returns the root mean square of centred features over that of features.

    It is 0 for features that are the same for all images, and 1 for features
    of mean 0.
    """
    features = checked(features)
    size = np.linalg.norm(features)
    return float(np.linalg.norm(centred(features)) / size) if size else 0.0


def centred(features: np.ndarray) -> np.ndarray:
    """Returns features minus their mean over images, exactly 0 if constant."""
    # The rounded mean of equal numbers may differ from them, that of zeros not.
    features = features - features[0]
    return features - features.mean(axis=0)


def exp_entropy(sizes: np.ndarray, epsilon: float = 0.0) -> float:
    """Returns the exponential of the entropy of sizes' shares of their sum.

    `epsilon` is added to each share, as some papers do. The result is 0 if all
    sizes are 0.
    """
    if not sizes.any():
        return 0.0
    shares = sizes / sizes.sum() + epsilon
    shares = shares[shares > 0]
    return float(np.exp(-np.sum(shares * np.log(shares))))


def checked(features):
    """Returns features as float64, and raises unless `(images >= 2, units)`."""
    features = np.asarray(features, np.float64)
    if features.ndim != 2 or len(features) < 2 or not features.shape[1]:
        raise ValueError(
            "Features must have the shape (num_images, units), of two images "
            f"or more. Received: shape {features.shape}"
        )
    return features
