"""Mutual information without training: cheap references for `estimate`."""

import numpy as np

from keras_dim import checks
from keras_dim.mutual_information import samples


def canonical_correlations(x, z):
    """Information of jointly normal vectors with the samples' correlations.

    `-0.5 sum log(1 - r^2)` over canonical correlations `r`, less its mean where
    nothing is shared, `units of x * units of z / (2 n)`. Right for normal
    vectors alone; others may share more or less.

    Args:
        x, z: float arrays `(samples, units)`.

    Returns:
        float. Nats, 0 or more.
    """
    whitened = [samples.whitened(each) for each in (x, z)]
    correlations = np.linalg.svd(
        whitened[0].T @ whitened[1] / len(x), compute_uv=False
    )
    rest = np.maximum(1.0 - np.square(correlations), 1e-12)
    by_chance = whitened[0].shape[1] * whitened[1].shape[1] / (2 * len(x))
    return max(float(-0.5 * np.log(rest).sum() - by_chance), 0.0)


def nearest_neighbors(x, z, k=10):
    """The estimator of Kraskov, Stoegbauer and Grassberger, their first.

    `digamma(k) + digamma(n) - mean(digamma(n_x + 1) + digamma(n_z + 1))`, where
    `n_x` counts the samples whose x is nearer than the k-th neighbour in both
    is. Units are brought to deviation 1. It falls behind as units are added.

    Args:
        x, z: float arrays `(samples, units)`, continuous.
        k: int. Neighbours. Defaults to 10.

    Returns:
        float. Nats.

    Raises:
        ValueError: for samples of which many are equal in x or in z.

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
    # The largest difference in any unit, as in the paper.
    metric = "chebyshev"
    tree = neighbors.NearestNeighbors(n_neighbors=k, metric=metric).fit(both)
    radii = np.nextafter(tree.kneighbors()[0][:, -1], 0)
    counts = []
    for each in (x, z):
        tree = neighbors.KDTree(each, metric=metric)
        # The sample itself is among them, which is the 1 of the formula.
        counts.append(tree.query_radius(each, radii, count_only=True))
    of_counts = sum(special.digamma(count) for count in counts).mean()
    return float(special.digamma(k) + special.digamma(len(x)) - of_counts)


def neighbors_ceiling(num_samples, k=10):
    """Returns the nats of `nearest_neighbors` for equal x and z, the most."""
    from scipy import special

    return float(special.digamma(num_samples) - special.digamma(k))
