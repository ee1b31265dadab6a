"""Samples of two vectors, checked, and maps that keep their information."""

import numpy as np

MIN_SAMPLES = 100


def vectors(name, values):
    """Returns samples as float64 `(samples, units)`, without constant units.

    Integers `(samples,)` of at most 100 values are class labels, and become
    indicators of their class.

    Raises:
        ValueError: for fewer than 100 samples, for values that are not finite
            or no numbers, or that are the same in all samples.
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
    """Raises a `ValueError` for rows that are no independent pairs.

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
            f"{len(x):,} samples of {x.shape[1]:,} and {z.shape[1]:,} numbers: "
            f"give at most {limit:,} numbers, such as principal components or "
            "an encoder's features, or more samples"
        )
    distinct = num_distinct(np.concatenate([x, z], axis=1))
    of_each = num_distinct(x), num_distinct(z)
    is_continuous = max(of_each) > limit
    # Whole samples that repeat, and no labels.
    is_repeated = of_each == (distinct, distinct) and distinct >= MIN_SAMPLES
    if distinct < len(x) and (is_continuous or is_repeated):
        raise ValueError(
            f"{len(x) - distinct:,} of {len(x):,} pairs repeat another one: a "
            "critic would know them by heart. Leave repetitions out"
        )


def share_a_number(x, z):
    """Returns whether a continuous number is a linear one of x and of z alike.

    Its information is infinite.

    Args:
        x, z: arrays `(samples, units)`.
    """
    if x.shape[1] + z.shape[1] >= len(x) - 1:
        # So many units have one in common by chance.
        return False
    x, z = whitened(x), whitened(z)
    turned, correlations, _ = np.linalg.svd(x.T @ z / len(x))
    common = x @ turned[:, : len(correlations)][:, correlations > 1 - 1e-9]
    return any(
        num_distinct(np.round(number, 6)) > len(x) // 2 for number in common.T
    )


def num_distinct(rows):
    """Returns the number of different rows."""
    return len(np.unique(rows, axis=0))


def normal_scores(rows):
    """Maps each unit by its ranks to a standard normal, ties to their middle.

    An increasing map of each unit, so that no information is lost or won.
    """
    from scipy import special
    from scipy import stats

    ranks = stats.rankdata(rows, axis=0)
    return special.ndtri(ranks / (len(rows) + 1))


def whitened(rows):
    """Returns uncorrelated units of mean 0 and deviation 1.

    Directions in which the samples do not extend are left out.
    """
    rows = rows - rows.mean(axis=0)
    variances, directions = np.linalg.eigh(rows.T @ rows / len(rows))
    kept = variances > 1e-9 * variances[-1]
    return rows @ directions[:, kept] / np.sqrt(variances[kept])


def canonical(x, z):
    """Canonical correlations of whitened samples, shrunk, and directions.

    Singular values of the correlations between x and z, of which noise alone
    would have some: those within its range become 0, the others are reduced to
    the least mean square error; https://arxiv.org/abs/1405.7511.

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
