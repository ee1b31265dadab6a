"""Estimators of mutual information that train nothing."""

import numpy as np

from keras_dim import checks
from keras_dim.mutual_information import samples


def canonical_correlations(x, z):
    """Returns the mutual information of x and z as if they were jointly normal.

    `-0.5 sum log(1 - r^2)` over canonical correlations `r`, minus its mean for
    independent samples, `units of x * units of z / (2 n)`. For other
    distributions it may be too low or too high.

    Args:
        x, z: float arrays `(samples, units)`, without constant units.

    Returns:
        float. Nats, 0 or more.
    """
    x, z = (samples.whitened(each / each.std(axis=0)) for each in (x, z))
    correlations = np.linalg.svd(x.T @ z / len(x), compute_uv=False)
    rest = np.maximum(1.0 - np.square(correlations), 1e-12)
    by_chance = x.shape[1] * z.shape[1] / (2 * len(x))
    return max(float(-0.5 * np.log(rest).sum() - by_chance), 0.0)


def nearest_neighbors(x, z, k=10):
    """Returns the first estimate of Kraskov, Stoegbauer and Grassberger.

    `digamma(k) + digamma(n) - mean(digamma(n_x + 1) + digamma(n_z + 1))`: `n_x`
    counts the other samples whose x is closer than the k-th neighbour of the
    pair (x, z), by the greatest difference in any unit. Units are scaled to
    deviation 1. It is too low for many units.

    Args:
        x, z: float arrays `(samples, units)`, continuous.
        k: int. Number of neighbours. Defaults to 10.

    Returns:
        float. Nats.

    Raises:
        ValueError: if more than a tenth of the samples repeat in x or in z.

    Reference: https://arxiv.org/abs/cond-mat/0305641, Eq. 8.
    """
    from scipy import special
    from sklearn import neighbors

    checks.integers(1, len(x) - 1, k=k)
    for name, each in (("x", x), ("z", z)):
        distinct = samples.num_distinct(each)
        if distinct < 0.9 * len(each):
            raise ValueError(
                f"Nearest neighbours need continuous samples: `{name}` has "
                f"{distinct:,} different rows among {len(each):,}"
            )
    x, z = (each / each.std(axis=0) for each in (x, z))
    both = np.concatenate([x, z], axis=1)
    metric = "chebyshev"
    tree = neighbors.NearestNeighbors(n_neighbors=k, metric=metric).fit(both)
    # Strictly closer than the neighbour.
    radii = np.nextafter(tree.kneighbors()[0][:, -1], 0)
    counts = []
    for each in (x, z):
        tree = neighbors.KDTree(each, metric=metric)
        # The count includes the sample itself, the 1 of the formula.
        counts.append(tree.query_radius(each, radii, count_only=True))
    of_counts = sum(special.digamma(count) for count in counts).mean()
    return float(special.digamma(k) + special.digamma(len(x)) - of_counts)


def neighbors_ceiling(num_samples, k=10):
    """Returns the value of `nearest_neighbors` for equal x and z, the most."""
    from scipy import special

    return float(special.digamma(num_samples) - special.digamma(k))
