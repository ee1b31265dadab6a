"""Measures of a representation that need no labels.

Use them as alarms, and to compare encoders of one method and one width on the
same number of images; `docs/board.md` has their correlations with accuracy.
They are NaN for features that are not finite.
"""

import numpy as np

from keras_dim import checks
from keras_dim.evaluation import spread

# Rows compared with all others at a time, which bounds the memory.
_BLOCK = 1024


def alignment(views: np.ndarray, others: np.ndarray) -> float:
    """Returns the mean squared distance between two views of an image.

    Args:
        views, others: float arrays `(num_images, units)` of 2 images or more:
            the i-th rows are two views of the i-th image. Rows are scaled to
            length 1.

    Returns:
        float. 0 for equal views; about 2 for independent views of mean 0.

    Reference: [Wang and Isola, 2020](https://arxiv.org/abs/2005.10242).
    """
    views, others = _unit_rows(views), _unit_rows(others)
    checks.shape(views.shape, others=others)
    return float(np.mean(np.sum((views - others) ** 2, axis=1)))


def uniformity(features: np.ndarray, t: float = 2.0) -> float:
    """Returns the log mean of `exp(-t |x - y|^2)` over pairs of images.

    Args:
        features: float array `(num_images, units)` of 2 images or more. Rows
            are scaled to length 1.
        t: float, above 0. Defaults to 2.

    Returns:
        float. 0 if all rows have one direction or are 0, about `-2 t` if they
        are uniform on a sphere of many dimensions.

    Reference: [Wang and Isola, 2020](https://arxiv.org/abs/2005.10242).
    """
    checks.above(0, t=t)
    rows = _unit_rows(features)
    # 1, or 0 for rows of zeros.
    squares = np.sum(rows**2, axis=1)
    total = 0.0
    for start in range(0, len(rows), _BLOCK):
        block = slice(start, start + _BLOCK)
        products = 2 * rows[block] @ rows.T
        terms = np.exp(t * (products - squares[block, None] - squares))
        # Without each row paired with itself.
        np.fill_diagonal(terms[:, start:], 0)
        total += terms.sum()
    return float(np.log(total / (len(rows) * (len(rows) - 1))))


def rank_me(features: np.ndarray) -> float:
    """Returns RankMe, the effective rank of features including their mean.

    It is the exponential of the entropy of the singular values' shares of their
    sum. `effective_rank` subtracts the mean first.

    Args:
        features: float array `(num_images, units)` of 2 images or more. The
            rank is at most the smaller of both numbers: compare only
            measurements of the same shape. The paper uses 25,600 images.

    Returns:
        float, 0 for features of zeros.

    Reference: [Garrido et al., 2023](https://arxiv.org/abs/2210.02885).
    """
    features = spread.checked(features)
    if not np.isfinite(features).all():
        return float("nan")
    singular = np.linalg.svd(features, compute_uv=False)
    return spread.exp_entropy(singular, epsilon=1e-7)


def lidar(views: np.ndarray, delta: float = 1e-4) -> float:
    """Returns LiDAR, the effective rank of linear discriminant analysis.

    It counts directions in which images differ more than their views: the
    exponential of the entropy of the eigenvalues of `Sw^-1/2 Sb Sw^-1/2`. `Sb`
    is the covariance of the images' mean features, `Sw` the mean covariance of
    an image's views plus `delta` times the identity.

    Args:
        views: float array `(num_images, num_views, units)` of more images than
            units, and two views or more of each; the authors use 10 or 50.
        delta: float, above 0. Defaults to 1e-4, as in the paper. It dominates
            if views deviate by less than its root.

    Returns:
        float, 0 if all images have the same mean feature.

    Reference: [Thilak et al., 2023](https://arxiv.org/abs/2312.04000).
    """
    checks.above(0, delta=delta)
    views = np.asarray(views, np.float64)
    if views.ndim != 3 or views.shape[1] < 2 or len(views) <= views.shape[2]:
        raise ValueError(
            "LiDAR takes features (num_images, num_views, units) of two views "
            "or more of each image, and of more images than units. Received: "
            f"shape {views.shape}"
        )
    if not np.isfinite(views).all():
        return float("nan")
    means = views.mean(axis=1)
    within = (views - means[:, None]).reshape(-1, views.shape[2])
    apart = spread.centred(means)
    values, vectors = np.linalg.eigh(within.T @ within / len(within))
    # The eigenvalues are squares of the singular values of whitened means.
    whitened = apart @ vectors / np.sqrt(np.maximum(values, 0) + delta)
    eigenvalues = np.linalg.svd(whitened, compute_uv=False) ** 2
    return spread.exp_entropy(eigenvalues, epsilon=1e-8)


def alpha_req(
    features: np.ndarray, first: int | None = None, last: int | None = None
) -> float:
    """Returns alpha-ReQ, the decay of the spectrum of features.

    The eigenvalues of the covariance are fitted by `index^-alpha`: by least
    squares of the logarithms, weighted by `1 / index`. According to the paper,
    `alpha` near 1 is best; noise has less, features that vary in few directions
    have more.

    Args:
        features: float array `(num_images, units)` of 2 images or more.
        first, last: int. The range of eigenvalues, counted from 1, on which the
            result depends. By default, with `rank = min(units, num_images -
            1)`: from 4 to `min(100, rank // 2)`, as few images estimate the
            smallest eigenvalues badly; all, if `rank` is below 12.

    Returns:
        float; NaN if an eigenvalue in the range is zero.

    Reference: Agrawal et al., "alpha-ReQ: Assessing Representation Quality in
    Self-Supervised Learning by measuring eigenspectrum decay", NeurIPS 2022.
    The range and the weights are those of the authors' code.
    """
    features = spread.checked(features)
    rank = min(features.shape[1], len(features) - 1)
    own_first, own_last = (4, min(100, rank // 2)) if rank >= 12 else (1, rank)
    first = own_first if first is None else first
    last = own_last if last is None else last
    if not 1 <= first < last <= rank:
        raise ValueError(
            "The range of eigenvalues must be 1 <= first < last <= "
            f"min(units, num_images - 1) = {rank}. Received: first={first}, "
            f"last={last}"
        )
    if not np.isfinite(features).all():
        return float("nan")
    singular = np.linalg.svd(spread.centred(features), compute_uv=False)
    chosen = singular[first - 1 : last]
    # Rounding makes singular values of zero about as large.
    if chosen[-1] <= 1e-12 * singular[0]:
        return float("nan")
    index = np.arange(first, last + 1)
    # `polyfit` applies its weights before residuals are squared.
    fit = np.polyfit(np.log(index), 2 * np.log(chosen), 1, w=index**-0.5)
    return float(-fit[0])


def _unit_rows(features):
    """Returns rows of length 1; rows of zeros stay zero."""
    features = spread.checked(features)
    norms = np.linalg.norm(features, axis=1, keepdims=True)
    return features / np.where(norms > 0, norms, 1)
