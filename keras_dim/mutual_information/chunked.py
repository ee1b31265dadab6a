"""Bounds whose memory grows with the batch, not with its square.

The scores of a batch against all its locations are the largest tensor of a
training step. Here they are made for a few anchors at a time, together with
the slope of the bound at each of them, which is known in closed form; what is
kept are the gradients of the two factors. Nothing is computed twice, and the
result is the one of the plain formula.
"""

import math

from keras import ops

from keras_dim import distribution
from keras_dim.mutual_information import clipping
from keras_dim.mutual_information import scores as scores_lib

# Finite stand-in for minus infinity, as in the plain formulas.
VERY_NEGATIVE = -1e9


def jensen_shannon(scores, positives, negatives, chunk_size):
    """`bounds.jensen_shannon`, `chunk_size` anchors at a time."""

    def of_rows(rows, positives, negatives, totals):
        num_positives, num_negatives = totals
        joint = ops.sum(
            ops.where(positives > 0, math.log(2.0) - ops.softplus(-rows), 0.0)
        )
        product = ops.sum(
            ops.where(negatives > 0, ops.softplus(rows) - math.log(2.0), 0.0)
        )
        slopes = ops.where(
            positives > 0, ops.sigmoid(-rows) / num_positives, 0.0
        ) - ops.where(negatives > 0, ops.sigmoid(rows) / num_negatives, 0.0)
        return joint / num_positives - product / num_negatives, slopes

    return _sum_over_chunks(of_rows, scores, positives, negatives, chunk_size)


def info_nce(
    scores,
    positives,
    negatives,
    own_image_score,
    chunk_size,
    num_mixtures=1,
    temperature=1.0,
    candidates_are_split=False,
):
    """`bounds.info_nce` and `mixtures.info_nce`, some images at a time.

    Args:
        chunk_size: int. Number of images, with `num_mixtures` anchors each.
    """
    elsewhere = VERY_NEGATIVE if own_image_score is None else own_image_score
    if candidates_are_split and not distribution.is_alone():
        return _info_nce_over_replicas(
            scores,
            negatives,
            elsewhere,
            chunk_size * num_mixtures,
            num_mixtures,
            temperature,
        )

    def of_rows(rows, positives, negatives, totals):
        num_positives = totals[0] / num_mixtures
        axes = tuple(range(1, len(rows.shape)))
        shown = ops.where(negatives > 0, rows, elsewhere)
        rivals = ops.logsumexp(shown, axis=axes, keepdims=True)
        num_rivals = ops.sum(
            ops.broadcast_to(negatives, ops.shape(rows)),
            axis=axes,
            keepdims=True,
        )
        posteriors = ops.log1p(num_rivals) - ops.softplus(rivals - rows)
        own = ops.where(positives > 0, posteriors, 0.0)
        # How far each positive is from certain is what its rivals pay for.
        doubt = ops.where(positives > 0, ops.sigmoid(rivals - rows), 0.0)
        if num_mixtures > 1:
            shares, values = _of_mixtures(
                ops.sum(own, axis=1), num_mixtures, temperature
            )
            doubt = doubt * shares[:, None]
            # The anchors that fill the last chunk have no positive.
            has_positive = ops.max(positives, axis=1) > 0
            value = ops.sum(ops.where(has_positive, values, 0.0))
            value = value / num_mixtures
        else:
            value = ops.sum(own)
        shares_of_rivals = ops.where(
            negatives > 0, ops.exp(shown - rivals), 0.0
        )
        slopes = doubt - shares_of_rivals * ops.sum(
            doubt, axis=axes, keepdims=True
        )
        return value / num_positives, slopes / num_positives

    return _sum_over_chunks(
        of_rows, scores, positives, negatives, chunk_size * num_mixtures
    )


def _info_nce_over_replicas(
    scores, negatives, elsewhere, chunk_size, num_mixtures, temperature
):
    """`info_nce` where each replica holds a part of every row.

    What a row's rivals come to is known once all replicas have spoken, so
    its slopes are not known while its scores are there: those are made again
    for the gradient.
    """
    own = scores.of_own_images()
    rivals = log_sum_exp(scores, negatives, elsewhere, chunk_size)
    rivals = ops.logsumexp(distribution.stack_replicas(rivals), axis=0)
    num_rivals = _locations_per_entry(scores, negatives) * ops.sum(
        ops.cast(negatives, "float32"), axis=tuple(range(1, len(own.shape) + 1))
    )
    num_rivals = distribution.sum_replicas(num_rivals)
    num_own = ops.shape(own)[0]
    one_each = (-1, *[1] * (len(own.shape) - 1))
    rivals, num_rivals = (
        ops.reshape(distribution.own_rows(row, num_own), one_each)
        for row in (rivals, num_rivals)
    )
    own = ops.log1p(num_rivals) - ops.softplus(rivals - own)
    if num_mixtures > 1:
        own = ops.reshape(own, (-1, num_mixtures, *own.shape[1:]))
        own = ops.logsumexp(temperature * own, axis=1) / temperature
    return ops.mean(own)


def _of_mixtures(own, num_mixtures, temperature):
    """Returns assignments and values of `mixtures`, repeated for each anchor.

    Args:
        own: tensor `(anchors, ...)`. Scores of NCE of each anchor's positives.
    """
    grouped = ops.reshape(own, (-1, num_mixtures, *own.shape[1:]))
    values = ops.logsumexp(temperature * grouped, axis=1, keepdims=True)
    shares = ops.exp(temperature * grouped - values)
    values = ops.broadcast_to(values / temperature, ops.shape(grouped))
    return ops.reshape(shares, ops.shape(own)), ops.reshape(
        values, ops.shape(own)
    )


def log_sum_exp(scores, mask, elsewhere, chunk_size):
    """Returns the logarithm of the sum of each row's exponentials.

    The scores are made twice, some anchors at a time: here, and for the
    gradient.

    Args:
        scores: `DotProductScores`.
        mask: tensor with the rank of the scores and sizes that broadcast to
            them; axis 0 and 1 whole.
        elsewhere: float. What scores are taken for where the mask is 0.
        chunk_size: int. Number of anchors at a time.

    Returns:
        Float32 tensor `(anchors,)`.
    """
    _refuse_whole_scores(scores)
    mask = ops.cast(mask, "float32")

    @ops.custom_gradient
    def value_of(anchors, candidates):
        flat = ops.reshape(candidates, (-1, candidates.shape[-1]))
        num_anchors = ops.shape(anchors)[0]
        num_chunks, fill, rows_of = _chunks_of(num_anchors, chunk_size)
        mask_filled = fill(mask)

        def rows_and_mask(anchors, first):
            own = rows_of(anchors, first)
            rows = clipping.soft_clip(
                scores_lib.dot_products(own, candidates), scores.limit
            )
            return own, rows, rows_of(mask_filled, first)

        def add_chunk(chunk, carry):
            anchors, sums = carry
            first = chunk * chunk_size
            own, rows, mask = rows_and_mask(anchors, first)
            own_sums = ops.logsumexp(
                ops.where(mask > 0, rows, elsewhere),
                axis=tuple(range(1, len(rows.shape))),
            )
            sums = ops.slice_update(sums, (first,), own_sums)
            # Written back, so that each chunk waits for the one before it.
            return ops.slice_update(anchors, (first, 0), own), sums

        _, sums = ops.fori_loop(
            0,
            num_chunks,
            add_chunk,
            (fill(anchors), ops.zeros((num_chunks * chunk_size,), "float32")),
        )

        def gradient(*upstreams, upstream=None):
            upstream = upstreams[0] if upstreams else upstream
            upstream_filled = fill(ops.cast(upstream, "float32"))

            def add_slopes(chunk, carry):
                anchors, candidate_slopes = carry
                first = chunk * chunk_size
                own, rows, mask = rows_and_mask(anchors, first)
                one_each = (-1, *[1] * (len(rows.shape) - 1))
                shares = ops.exp(
                    rows - ops.reshape(rows_of(sums, first), one_each)
                )
                slopes = ops.where(mask > 0, shares, 0.0) * ops.reshape(
                    rows_of(upstream_filled, first), one_each
                )
                return _add_slopes(
                    slopes, rows, scores.limit, own, flat, first, carry
                )

            slopes = ops.fori_loop(
                0,
                num_chunks,
                add_slopes,
                (fill(anchors), ops.zeros(ops.shape(flat), "float32")),
            )
            return (
                ops.cast(slopes[0][:num_anchors], anchors.dtype),
                ops.cast(
                    ops.reshape(slopes[1], ops.shape(candidates)),
                    candidates.dtype,
                ),
            )

        return sums[:num_anchors], gradient

    return value_of(scores.anchors, scores.candidates)


def _sum_over_chunks(of_rows, scores, positives, negatives, chunk_size):
    """Adds `of_rows` up over chunks of anchors, with its exact gradient.

    Args:
        of_rows: callable `(rows, positives, negatives, totals)` that returns
            these anchors' share of the bound and its slope at each score;
            `totals` are the numbers of positive and negative pairs.
        scores: `DotProductScores`.
        positives, negatives: tensors with the rank of the scores and sizes
            that broadcast to them; axis 0 and 1 whole.
        chunk_size: int. Number of anchors at a time.
    """
    _refuse_whole_scores(scores)
    positives = ops.cast(positives, "float32")
    negatives = ops.cast(negatives, "float32")
    totals = tuple(
        ops.maximum(ops.sum(mask) * _locations_per_entry(scores, mask), 1.0)
        for mask in (positives, negatives)
    )

    @ops.custom_gradient
    def value_of(anchors, candidates):
        flat = ops.reshape(candidates, (-1, candidates.shape[-1]))
        num_anchors = ops.shape(anchors)[0]
        num_chunks, fill, rows_of = _chunks_of(num_anchors, chunk_size)
        positives_filled, negatives_filled = fill(positives), fill(negatives)

        def add_chunk(chunk, carry):
            value, anchors, candidate_slopes = carry
            first = chunk * chunk_size
            own = rows_of(anchors, first)
            rows = clipping.soft_clip(
                scores_lib.dot_products(own, candidates), scores.limit
            )
            share, slopes = of_rows(
                rows,
                rows_of(positives_filled, first),
                rows_of(negatives_filled, first),
                totals,
            )
            anchors, candidate_slopes = _add_slopes(
                slopes,
                rows,
                scores.limit,
                own,
                flat,
                first,
                (anchors, candidate_slopes),
            )
            return value + share, anchors, candidate_slopes

        value, anchor_slopes, candidate_slopes = ops.fori_loop(
            0,
            num_chunks,
            add_chunk,
            (
                ops.zeros((), "float32"),
                fill(anchors),
                ops.zeros(ops.shape(flat), "float32"),
            ),
        )
        anchor_slopes = anchor_slopes[:num_anchors]
        candidate_slopes = ops.reshape(candidate_slopes, ops.shape(candidates))

        def gradient(*upstreams, upstream=None):
            upstream = upstreams[0] if upstreams else upstream
            return tuple(
                ops.cast(upstream * ops.cast(slopes, "float32"), factor.dtype)
                for slopes, factor in (
                    (anchor_slopes, anchors),
                    (candidate_slopes, candidates),
                )
            )

        return value, gradient

    return value_of(scores.anchors, scores.candidates)


def _chunks_of(num_anchors, chunk_size):
    """Returns their number, what fills tensors up to it, and what cuts one."""

    def fill(tensor):
        # Anchors of zeros without any pair fill the last chunk.
        missing = -num_anchors % chunk_size
        rest = [[0, 0]] * (len(tensor.shape) - 1)
        return ops.pad(tensor, [[0, missing], *rest])

    def rows_of(tensor, first):
        start = (first,) + (0,) * (len(tensor.shape) - 1)
        return ops.slice(tensor, start, (chunk_size, *ops.shape(tensor)[1:]))

    return (num_anchors + chunk_size - 1) // chunk_size, fill, rows_of


def _add_slopes(slopes, rows, limit, own, flat, first, carry):
    """Takes the slopes at a chunk's scores back to the factors.

    Args:
        slopes, rows: tensors `(chunk, candidates, ...)`.
        limit: float or None. To what the scores were clipped.
        own: tensor `(chunk, units)`. The chunk's anchors.
        flat: tensor `(candidates, units)`.
        first: where the chunk begins.
        carry: tuple of the anchors, of which those before the chunk have made
            place for their slopes, and the candidates' slopes.
    """
    anchors, candidate_slopes = carry
    if limit is not None:
        slopes = slopes * clipping.soft_clip_slope(rows, limit)
    # Back to the precision of the factors: the products run there.
    slopes = ops.cast(ops.reshape(slopes, (ops.shape(own)[0], -1)), own.dtype)
    candidate_slopes = candidate_slopes + ops.cast(
        ops.matmul(ops.transpose(slopes), own), "float32"
    )
    # The slopes take the place of their anchors. This also makes each chunk
    # wait for the one before it: a loop that runs its chunks side by side
    # would hold all their scores at once.
    anchors = ops.slice_update(anchors, (first, 0), ops.matmul(slopes, flat))
    return anchors, candidate_slopes


def _locations_per_entry(scores, mask):
    """Returns for how many scores of an image an entry of the mask stands."""
    return math.prod(scores.candidates.shape[1:-1]) / math.prod(mask.shape[2:])


def _refuse_whole_scores(scores):
    if not isinstance(scores, scores_lib.DotProductScores):
        raise ValueError(
            "`chunk_size` saves memory only if the scores are not made yet: "
            "pass DotProductScores(anchors, candidates) as `scores`. "
            f"Received: {type(scores).__name__}"
        )
