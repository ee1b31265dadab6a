"""Measures of a representation that need no labels.

They are alarms, and compare encoders of one method and one width on equally
many images; `docs/board.md` says how far. Features that are not finite measure
NaN.
"""

import numpy as np

from keras_dim.evaluation import spread

# Rows compared at a time: a block of all pairs of them fits in a cache.
_BLOCK = 1024


def alignment(views: np.ndarray, others: np.ndarray) -> float:
    """Returns the mean squared distance of two views of an image.

    Args:
        views, others: float arrays `(num_images, units)`: two views, row by
            row. Rows are scaled to length 1.

    Returns:
        0 for equal views, 2 for features that ignore the image.

    Reference: [Wang and Isola, 2020](https://arxiv.org/abs/2005.10242).
    """
    views, others = _unit_rows(views), _unit_rows(others)
    if views.shape != others.shape:
        raise ValueError(
            "Two views of the same images have features of one shape. "
            f"Received: {views.shape} and {others.shape}"
        )
    return float(np.mean(np.sum((views - others) ** 2, axis=1)))


def uniformity(features: np.ndarray, t: float = 2.0) -> float:
    """Returns the log mean of `exp(-t |x - y|^2)` over pairs of images.

    Args:
        features: float array `(num_images, units)`, scaled to length 1.
        t: float. Defaults to 2.

    Returns:
        0 where all directions are equal, about `-2 t` where they are uniform
        on a sphere of many dimensions. It depends a little on the number of
        images.

    Reference: [Wang and Isola, 2020](https://arxiv.org/abs/2005.10242).
    """
    rows = _unit_rows(features)
    total = 0.0
    for start in range(0, len(rows), _BLOCK):
        # |x - y|^2 = 2 - 2 x . y
        cosines = rows[start : start + _BLOCK] @ rows.T
        total += np.exp(2 * t * (cosines - 1)).sum()
    # Each row with itself has counted 1.
    own = np.exp(2 * t * (np.sum(rows**2, axis=1) - 1)).sum()
    return float(np.log((total - own) / (len(rows) * (len(rows) - 1))))


def rank_me(features: np.ndarray) -> float:
    """Returns RankMe, how many directions features have with their mean.

    It is the exponential of the entropy of the singular values. Unlike
    `effective_rank`, the mean is not taken away.

    Args:
        features: float array `(num_images, units)`. The rank is at most the
            smaller of both: compare only measurements of equally many images
            and units. The paper takes 25,600 images.

    Reference: [Garrido et al., 2023](https://arxiv.org/abs/2210.02885).
    """
    features = spread.checked(features)
    if not np.isfinite(features).all():
        return float("nan")
    singular = np.linalg.svd(features, compute_uv=False)
    return spread.exp_entropy(singular, epsilon=1e-7)


def lidar(views: np.ndarray, delta: float = 1e-4) -> float:
    """Returns LiDAR, in how many directions images differ more than views.

    The exponential of the entropy of the eigenvalues of `Sw^-1/2 Sb Sw^-1/2`:
    `Sb` is the covariance of images' mean features, `Sw` the mean covariance
    of an image's views plus `delta` times the identity.

    Args:
        views: float array `(num_images, num_views, units)`: the views of one
            image stand together. More images than units, two views or more;
            the authors take 10 or 50.
        delta: float. Defaults to 1e-4, as in the paper. It decides where views
            differ by less than its root.

    Reference: [Thilak et al., 2023](https://arxiv.org/abs/2312.04000).
    """
    views = np.asarray(views, np.float64)
    if views.ndim != 3 or views.shape[1] < 2 or len(views) <= views.shape[2]:
        raise ValueError(
            "LiDAR takes features (num_images, num_views, units) of two views "
            "or more of each image, and of more images than units. Received: "
            f"{views.shape}"
        )
    if not np.isfinite(views).all():
        return float("nan")
    means = views.mean(axis=1)
    within = (views - means[:, None]).reshape(-1, views.shape[2])
    apart = means - means.mean(axis=0)
    values, vectors = np.linalg.eigh(within.T @ within / len(within))
    # The singular values of the whitened means are roots of the eigenvalues.
    whitened = apart @ vectors / np.sqrt(np.maximum(values, 0) + delta)
    eigenvalues = np.linalg.svd(whitened, compute_uv=False) ** 2
    return spread.exp_entropy(eigenvalues, epsilon=1e-8)


def alpha_req(
    features: np.ndarray, first: int = 4, last: int | None = None
) -> float:
    """Returns how fast the spectrum of features decays, alpha-ReQ.

    The eigenvalues of the covariance are fitted by `index^-alpha`: least
    squares of logarithms, weighted by `1 / index`. Near 1 is said to be good;
    less is closer to noise, more to a few directions.

    Args:
        features: float array `(num_images, units)`.
        first, last: int. The eigenvalues that are fitted, from 1. The range
            decides the result. Defaults to 4 and to 100 or, if that is less,
            half of `min(units, num_images - 1)`: the smallest ones are those
            that few images estimate worst. Below 12 units, the first is 1 and
            the last that number.

    Returns:
        float; NaN where an eigenvalue of the range is zero.

    Reference: Agrawal et al., "alpha-ReQ: Assessing Representation Quality in
    Self-Supervised Learning by measuring eigenspectrum decay", NeurIPS 2022;
    range and weights are those of its code.
    """
    features = spread.checked(features)
    rank = min(features.shape[1], len(features) - 1)
    if last is None:
        first, last = (first, min(100, rank // 2)) if rank >= 12 else (1, rank)
    if not 1 <= first < last <= rank:
        raise ValueError(
            "The range of eigenvalues needs two or more, of at most "
            f"min(units, num_images - 1) = {rank}. Received: first={first}, "
            f"last={last}"
        )
    if not np.isfinite(features).all():
        return float("nan")
    singular = np.linalg.svd(features - features.mean(axis=0), compute_uv=False)
    chosen = singular[first - 1 : last]
    # Rounding leaves about this of an eigenvalue of zero.
    if chosen[-1] <= 1e-12 * singular[0]:
        return float("nan")
    index = np.arange(first, last + 1)
    # `polyfit` weighs residuals, and squares the weights with them.
    fit = np.polyfit(np.log(index), 2 * np.log(chosen), 1, w=index**-0.5)
    return float(-fit[0])


def _unit_rows(features):
    """Returns rows of length 1; rows of zeros stay zero."""
    features = spread.checked(features)
    norms = np.linalg.norm(features, axis=1, keepdims=True)
    return features / np.where(norms > 0, norms, 1)
