"""Exact nearest neighbours by cosine, in blocks of bounded memory."""

from collections.abc import Iterator

import numpy as np

from keras_dim import checks

# Number of similarities in memory at once, 64 MB.
BLOCK = 2**24
# Most similarities in a group.
_GROUP = 256


def unit_vectors(rows: np.ndarray, who: str = "features") -> np.ndarray:
    """Returns rows of length one, float32 `(num_rows, units + 1)`.

    The last unit is 1 for rows of zeros, else 0. So rows of zeros are equal to
    each other, and orthogonal to all other rows.

    Args:
        rows: array of numbers `(num_rows, units)`.
        who: str. Name of the array in messages.

    Raises:
        ValueError: for another shape, no rows or units, or values that are not
            finite.
    """
    rows = np.asarray(rows)
    if rows.ndim != 2 or 0 in rows.shape or rows.dtype.kind not in "biuf":
        raise ValueError(
            f"`{who}` must be real numbers of the shape (num_rows, units), of "
            f"one row and one unit or more. Received: {rows.dtype} {rows.shape}"
        )
    # In float64, where squares of large values do not overflow.
    sizes = np.sqrt(np.einsum("ij,ij->i", rows, rows, dtype=np.float64))
    if not np.all(np.isfinite(sizes)):
        bad = np.flatnonzero(~np.isfinite(sizes))
        raise ValueError(
            f"`{who}` must be finite. Received NaN or infinity in {len(bad)} "
            f"of {len(rows)} rows, the first of them row {bad[0]}"
        )
    unit = np.zeros((len(rows), rows.shape[1] + 1), np.float32)
    unit[:, -1] = sizes == 0
    np.divide(rows, sizes[:, None], unit[:, :-1], where=sizes[:, None] > 0)
    return unit


def nearest(
    features: np.ndarray, k: int, queries: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Finds the `k` rows of largest cosine to each query.

    All pairs are compared: `num_queries * num_rows * units` multiplications.
    It takes about 0.3 GB in addition to its arguments and results.

    Args:
        features: array `(num_rows, units)`.
        k: int. Number of neighbours of each query.
        queries: array `(num_queries, units)`. Defaults to None: the rows
            themselves, where no row is its own neighbour.

    Returns:
        The row numbers of the neighbours, int64 `(num_queries, k)`, in order of
        falling cosine, then of rising row number; and their cosines, float32
        `(num_queries, k)`.

    Raises:
        ValueError: for arrays that `unit_vectors` refuses, and for a `k` that
            is not from 1 to the number of possible neighbours.
    """
    rows = unit_vectors(features)
    of_rows = queries is None
    queries = rows if of_rows else unit_vectors(queries, "queries")
    checks.shape((None, rows.shape[1]), queries=queries)
    checks.integers(1, max(1, len(rows) - of_rows), k=k)
    if len(rows) == of_rows:
        raise ValueError("A single row has no neighbours.")
    indices = np.empty((len(queries), k), np.int64)
    cosines = np.empty((len(queries), k), np.float32)
    for block in blocks(len(queries), len(rows)):
        scores = queries[block] @ rows.T
        if of_rows:
            own = np.arange(len(scores))
            scores[own, own + block.start] = -np.inf
        least = _least_of_nearest(scores, k)
        for row, query in enumerate(range(block.start, block.stop)):
            near = np.flatnonzero(scores[row] >= least[row])
            # A stable sort keeps equal cosines in the order of rows.
            order = np.argsort(-scores[row, near], kind="stable")[:k]
            indices[query] = near[order]
            cosines[query] = scores[row, indices[query]]
    return indices, np.clip(cosines, -1, 1)


def _least_of_nearest(scores, k):
    """Returns a score that at least `k`, and few more, scores of a row reach.

    It is the k-th largest maximum of groups of scores, which takes a third of
    the time of the k-th largest score.
    """
    num_rows = scores.shape[1]
    size = max(1, min(_GROUP, num_rows // (4 * k)))
    num_groups = num_rows // size
    groups = scores[:, : num_groups * size].reshape(-1, num_groups, size)
    return np.partition(groups.max(axis=2), -k, axis=1)[:, -k]


def blocks(num_queries: int, num_rows: int) -> Iterator[slice]:
    """Yields slices of queries whose similarities to all rows fit `BLOCK`."""
    size = max(1, BLOCK // num_rows)
    for start in range(0, num_queries, size):
        yield slice(start, min(start + size, num_queries))
