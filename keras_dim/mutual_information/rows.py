"""Sums over the rows of a score matrix, whole or a few rows at a time.

The scores of a batch against all its locations are the largest tensor of a
training step. In chunks, they are computed for a few anchors at a time and
once more for the gradient, so that memory grows with the batch and not with
its square.
"""


import keras
from keras import ops

from keras_dim.mutual_information import pairs

# Finite stand-in for minus infinity, whose gradient would be NaN.
VERY_NEGATIVE = -1e9


def reduce_rows(of_rows, scores, mask, chunk_size=None):
    """Applies a function to all rows of scores, or to a few at a time.

    Args:
        of_rows: callable from scores `(rows, candidates, ...)` and a mask that
            broadcasts to them to a tensor `(rows,)`.
        scores: tensor `(anchors, candidates, ...)` or `DotProductScores`.
        mask: tensor with the scores' rank that broadcasts to them.
        chunk_size: int, or None for all rows at once. Rows at a time; for
            `DotProductScores` only.

    Returns:
        Float32 tensor `(anchors,)`.

    Raises:
        ValueError: for chunks of scores that are computed already.
    """
    mask = ops.cast(mask, "float32")
    if not isinstance(scores, pairs.DotProductScores):
        if chunk_size is not None:
            raise ValueError(
                "`chunk_size` saves memory where scores are not computed yet: "
                "pass DotProductScores(anchors, candidates) as `scores`. "
                f"Received: {type(scores).__name__}"
            )
        return of_rows(ops.cast(scores, "float32"), mask)
    if chunk_size is None:
        return of_rows(scores.whole(), mask)

    # Without this, the gradient would keep the scores of every chunk.
    @keras.remat
    def of_chunk(anchors, candidates, mask):
        products = pairs.dot_products(anchors, candidates)
        return of_rows(pairs.soft_clip(products, scores.limit), mask)

    num_rows = ops.shape(scores.anchors)[0]
    mask = ops.broadcast_to(mask, (num_rows, *ops.shape(mask)[1:]))
    _, values = ops.scan(
        lambda _, chunk: (_, of_chunk(chunk[0], scores.candidates, chunk[1])),
        ops.zeros(()),
        (_in_chunks(scores.anchors, chunk_size), _in_chunks(mask, chunk_size)),
    )
    return ops.reshape(values, (-1,))[:num_rows]


def sum_rows(function, scores, mask, chunk_size=None):
    """Returns the sum of a function of the scores over each row's mask.

    Args:
        function: callable from a tensor of scores to one of equal shape.
        scores, mask, chunk_size: see `reduce_rows`.
    """

    def of_rows(rows, mask):
        # `where`, as an exponential that overflowed elsewhere times 0 is NaN.
        return ops.sum(ops.where(mask > 0, function(rows), 0.0), _axes(rows))

    return reduce_rows(of_rows, scores, mask, chunk_size)


def log_sum_exp_rows(
    scores, mask, outside_score=VERY_NEGATIVE, chunk_size=None
):
    """Returns the logarithm of the sum of each row's exponentials.

    Args:
        scores, mask, chunk_size: see `reduce_rows`.
        outside_score: float. The score of pairs where the mask is 0. Defaults
            to one that leaves them out.

    Returns:
        Float32 tensor `(anchors,)`.
    """

    def of_rows(rows, mask):
        rows = ops.where(mask > 0, rows, outside_score)
        return ops.logsumexp(rows, _axes(rows))

    return reduce_rows(of_rows, scores, mask, chunk_size)


def count_rows(scores, mask):
    """Returns how many pairs of each row the mask holds.

    Args:
        scores, mask: see `reduce_rows`.

    Returns:
        Float32 tensor `(anchors,)`, or `(1,)` where all rows share one mask.
    """
    # Entries of the mask may each stand for several scores.
    repeats = 1.0
    for length, entries in zip(shape_of(scores)[1:], ops.shape(mask)[1:], strict=True):
        repeats = repeats * ops.cast(length, "float32") / ops.cast(
            entries, "float32"
        )
    return ops.sum(ops.cast(mask, "float32"), _axes(mask)) * repeats


def shape_of(scores):
    """Returns the shape of scores, with scalar tensors for unknown sizes."""
    return ops.shape(scores) if ops.is_tensor(scores) else scores.shape


def _in_chunks(rows, chunk_size):
    """Returns `(chunks, chunk_size, ...)`; zeros fill the last chunk."""
    missing = -ops.shape(rows)[0] % chunk_size
    rows = ops.pad(rows, [[0, missing], *[[0, 0]] * (len(rows.shape) - 1)])
    return ops.reshape(rows, (-1, chunk_size, *ops.shape(rows)[1:]))


def _axes(rows):
    return tuple(range(1, len(rows.shape)))

