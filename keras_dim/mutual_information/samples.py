"""Checks of samples, and transformations that keep their information."""

import numpy as np

MIN_SAMPLES = 100


def vectors(name, values):
    """Returns samples as float64 `(samples, units)`, without constant units.

    Integers `(samples,)` of at most 100 values are class labels, and become
    one-hot.

    Args:
        name: str, for messages.
        values: array `(samples, ...)`.

    Raises:
        ValueError: for fewer than 100 samples, values that are not finite or no
            numbers, or the same values in all samples.
    """
    values = np.asarray(values)
    if values.ndim == 0 or len(values) < MIN_SAMPLES:
        raise ValueError(
            f"`{name}` must have {MIN_SAMPLES} samples or more, one a row. "
            f"Received the shape {values.shape}"
        )
    if values.dtype.kind not in "biuf":
        raise ValueError(
            f"`{name}` must be numbers. Received the dtype {values.dtype}"
        )
    if not np.isfinite(values).all():
        raise ValueError(f"`{name}` has values that are NaN or infinite")
    if values.ndim == 1 and values.dtype.kind in "biu":
        classes = np.unique(values)
        if len(classes) <= 100:
            values = values[:, None] == classes
    rows = values.reshape(len(values), -1).astype("float64")
    rows = rows[:, rows.min(axis=0) < rows.max(axis=0)]
    if not rows.shape[1]:
        raise ValueError(
            f"`{name}` is the same in all samples, and shares no information"
        )
    return rows


def check_pair(x, z):
    """Raises a `ValueError` for different lengths, many units or repetitions.

    Args:
        x, z: arrays `(samples, units)`.
    """
    if len(x) != len(z):
        raise ValueError(
            f"`x` has {len(x):,} samples and `z` {len(z):,}: each row of one "
            "must belong to the same row of the other"
        )
    limit = len(x) // 2
    if max(x.shape[1], z.shape[1]) > limit:
        raise ValueError(
            f"{len(x):,} samples allow at most {limit:,} units of x and of z: "
            "give fewer, such as principal components or an encoder's "
            f"features, or more samples. Received: {x.shape[1]:,} and "
            f"{z.shape[1]:,} units"
        )
    distinct = num_distinct(np.concatenate([x, z], axis=1))
    of_each = num_distinct(x), num_distinct(z)
    is_continuous = max(of_each) > limit
    # Rows that repeat as a whole. Labels repeat with other partners.
    is_repeated = of_each == (distinct, distinct) and distinct >= MIN_SAMPLES
    if distinct < len(x) and (is_continuous or is_repeated):
        raise ValueError(
            f"{len(x) - distinct:,} of {len(x):,} pairs repeat another one, "
            "which a critic would memorise: leave repetitions out"
        )


def share_a_number(x, z):
    """Returns whether a continuous linear function of x equals one of z.

    Their mutual information is infinite then.

    Args:
        x, z: arrays `(samples, units)`, without constant units.
    """
    if x.shape[1] + z.shape[1] >= len(x) - 1:
        # So many units always have one in common.
        return False
    x, z = (whitened(each / each.std(axis=0)) for each in (x, z))
    turned, correlations, _ = np.linalg.svd(x.T @ z / len(x))
    common = x @ turned[:, : len(correlations)][:, correlations > 1 - 1e-9]
    return any(
        num_distinct(np.round(number, 6)) > len(x) // 2 for number in common.T
    )


def num_distinct(rows):
    """Returns the number of different rows."""
    return len(np.unique(rows, axis=0))


def normal_scores(rows):
    """Maps the ranks of each unit to quantiles of a standard normal.

    Equal values get their mean rank. The map is increasing, and changes no
    information.
    """
    from scipy import special
    from scipy import stats

    ranks = stats.rankdata(rows, axis=0)
    return special.ndtri(ranks / (len(rows) + 1))


def whitened(rows):
    """Returns uncorrelated units of mean 0 and deviation 1.

    Directions of (nearly) no variance are left out.
    """
    rows = rows - rows.mean(axis=0)
    variances, directions = np.linalg.eigh(rows.T @ rows / len(rows))
    kept = variances > 1e-9 * variances[-1]
    return rows @ directions[:, kept] / np.sqrt(variances[kept])


def canonical(x, z):
    """Returns the shrunk canonical correlations of whitened samples.

    Noise alone gives singular values of the cross-covariance above 0. Those in
    the range of noise become 0, the others are reduced such that the mean
    squared error is least; [Gavish and Donoho, 2017](
    https://arxiv.org/abs/1405.7511).

    Args:
        x, z: arrays `(samples, units)`, whitened.

    Returns:
        `(correlations, directions of x, directions of z)`: `(k,)`, and
        matrices whose columns are directions.
    """
    left, values, right = np.linalg.svd(x.T @ z / len(x))
    small, large = sorted((x.shape[1], z.shape[1]))
    ratio = small / large
    scaled = values * np.sqrt(len(x) / large)
    inside = np.maximum((scaled**2 - ratio - 1) ** 2 - 4 * ratio, 0.0)
    shrunk = (
        np.sqrt(inside) / np.maximum(scaled, 1e-9) * np.sqrt(large / len(x))
    )
    shrunk = np.where(scaled > 1 + np.sqrt(ratio), shrunk, 0.0)
    return np.minimum(shrunk, 0.9999), left, right.T
