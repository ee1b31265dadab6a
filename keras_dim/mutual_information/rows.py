"""Sums over the rows of a score matrix, at once or in chunks of rows.

The scores of a batch with all its locations are the largest tensor of a
training step. In chunks, they are computed for a few anchors at a time and
again for the gradient, so that memory grows with the batch and not with its
square.
"""

from keras import ops

from keras_dim.mutual_information import pairs

# Finite stand-in for minus infinity, whose gradient would be NaN.
VERY_NEGATIVE = -1e9


def reduce_rows(of_rows, slopes_of_rows, scores, mask, chunk_size=None):
    """Applies a function to each row of scores, with a bounded memory.

    Args:
        of_rows: callable from scores `(rows, candidates, ...)` and a mask that
            broadcasts to them to a tensor `(rows,)`.
        slopes_of_rows: callable from scores, mask and the results, shaped to
            broadcast to the scores, to the derivative at each score.
        scores: tensor `(anchors, candidates, ...)` or `DotProductScores`.
        mask: tensor with the scores' rank that broadcasts to them.
        chunk_size: int, or None for all rows at once. Number of rows at a time;
            for `DotProductScores` only.

    Returns:
        Float32 tensor `(anchors,)`; and the scores, for other terms of the
        loss. If these use the returned scores, their gradients are added in
        place, which saves a tensor as large as the candidates.
    """
    mask = ops.cast(mask, "float32")
    if not isinstance(scores, pairs.DotProductScores):
        if chunk_size is not None:
            raise ValueError(
                "`chunk_size` saves memory only if scores are not computed "
                "yet, as in Deep InfoMax and AMDIM: leave it out, or pass "
                "DotProductScores(anchors, candidates) as `scores`. Received: "
                f"{type(scores).__name__}"
            )
        return of_rows(ops.cast(scores, "float32"), mask), scores
    if chunk_size is None:
        return of_rows(scores.whole(), mask), scores
    num_anchors = ops.shape(scores.anchors)[0]
    num_chunks = (num_anchors + chunk_size - 1) // chunk_size
    mask = ops.broadcast_to(mask, (num_anchors, *ops.shape(mask)[1:]))

    def fill(tensor):
        # Rows of zeros fill the last chunk.
        padding = [[0, 0]] * (len(tensor.shape) - 1)
        return ops.pad(tensor, [[0, -num_anchors % chunk_size], *padding])

    def chunk_of(tensor, first):
        start = (first, *[0] * (len(tensor.shape) - 1))
        return ops.slice(tensor, start, (chunk_size, *ops.shape(tensor)[1:]))

    filled_mask = fill(mask)

    # An automatic gradient would keep the scores of every chunk.
    @ops.custom_gradient
    def values_of(anchors, candidates):
        def rows_of(anchors, first):
            own = chunk_of(anchors, first)
            products = pairs.dot_products(own, candidates)
            return own, pairs.soft_clip(products, scores.limit)

        def add_values(chunk, carry):
            anchors, values = carry
            first = chunk * chunk_size
            own, rows = rows_of(anchors, first)
            of_chunk = of_rows(rows, chunk_of(filled_mask, first))
            values = ops.slice_update(values, (first,), of_chunk)
            # Writing the anchors back makes each chunk wait for the last one.
            return ops.slice_update(anchors, (first, 0), own), values

        values = ops.fori_loop(
            0,
            num_chunks,
            add_values,
            (fill(anchors), ops.zeros((num_chunks * chunk_size,), "float32")),
        )[1]

        def gradient(*upstreams):
            # JAX passes the gradients of both outputs as one argument.
            upstream, added = upstreams if len(upstreams) > 1 else upstreams[0]
            upstream = fill(upstream)
            flat = ops.reshape(candidates, (-1, candidates.shape[-1]))
            added = ops.cast(ops.reshape(added, ops.shape(flat)), "float32")

            def add_slopes(chunk, carry):
                anchors, candidate_slopes = carry
                first = chunk * chunk_size
                own, rows = rows_of(anchors, first)
                one_each = (-1, *[1] * (len(rows.shape) - 1))
                of_chunk, of_upstream = (
                    ops.reshape(chunk_of(tensor, first), one_each)
                    for tensor in (values, upstream)
                )
                slopes = of_upstream * slopes_of_rows(
                    rows, chunk_of(filled_mask, first), of_chunk
                )
                if scores.limit is not None:
                    # The derivative of the clipping.
                    slopes = slopes * (1.0 - ops.square(rows / scores.limit))
                # Products are computed in the precision of the factors.
                slopes = ops.reshape(slopes, (chunk_size, -1))
                slopes = ops.cast(slopes, own.dtype)
                of_candidates = ops.matmul(ops.transpose(slopes), own)
                of_anchors = ops.matmul(slopes, flat)
                # Slopes overwrite their anchors, which saves memory.
                return (
                    ops.slice_update(anchors, (first, 0), of_anchors),
                    candidate_slopes + ops.cast(of_candidates, "float32"),
                )

            anchor_slopes, candidate_slopes = ops.fori_loop(
                0,
                num_chunks,
                add_slopes,
                (fill(anchors), added),
            )
            return anchor_slopes[:num_anchors], ops.cast(
                ops.reshape(candidate_slopes, ops.shape(candidates)),
                candidates.dtype,
            )

        return (values[:num_anchors], candidates), gradient

    values, candidates = values_of(scores.anchors, scores.candidates)
    return values, scores._replace(candidates=candidates)


def sum_rows(function, slope, scores, mask, chunk_size=None):
    """Returns the sum of a function over each row's mask, and the scores.

    `slope` is the function's derivative. See `reduce_rows`.
    """

    def of_rows(rows, mask):
        # `where`, as 0 times an overflowed exponential is NaN.
        return ops.sum(ops.where(mask > 0, function(rows), 0.0), _axes(rows))

    def slopes_of_rows(rows, mask, _):
        return ops.where(mask > 0, slope(rows), 0.0)

    return reduce_rows(of_rows, slopes_of_rows, scores, mask, chunk_size)


def log_sum_exp_rows(
    scores, mask, outside_score=VERY_NEGATIVE, chunk_size=None
):
    """Returns the log of the sum of each row's exponentials, and the scores.

    Pairs outside the mask have the score `outside_score`; by default they are
    left out. See `reduce_rows`.
    """

    def of_rows(rows, mask):
        rows = ops.where(mask > 0, rows, outside_score)
        return ops.logsumexp(rows, _axes(rows))

    def slopes_of_rows(rows, mask, values):
        return ops.where(mask > 0, ops.exp(rows - values), 0.0)

    return reduce_rows(of_rows, slopes_of_rows, scores, mask, chunk_size)


def count_rows(scores, mask):
    """Returns the number of pairs in each row's mask, float32 `(anchors,)`.

    If all rows share one mask, the shape is `(1,)`.
    """
    # An entry of the mask may be broadcast to several scores.
    counts = ops.sum(ops.cast(mask, "float32"), _axes(mask))
    sizes = zip(shape_of(scores)[1:], ops.shape(mask)[1:], strict=True)
    for length, entries in sizes:
        counts *= ops.cast(length, "float32") / ops.cast(entries, "float32")
    return counts


def shape_of(scores):
    """Returns the shape of scores, with scalar tensors for unknown sizes."""
    return ops.shape(scores) if ops.is_tensor(scores) else scores.shape


def _axes(rows):
    return tuple(range(1, len(rows.shape)))
