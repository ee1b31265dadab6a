"""Bounds whose memory grows with the batch, not with its square.

The scores of a batch against all its locations are the largest tensor of a
training step. Here they are made for a few anchors at a time, together with
the slope of the bound at each of them, which is known in closed form; what is
kept are the gradients of the two factors. Nothing is computed twice, and the
result is the one of the plain formula.
"""

import math

from keras import ops

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
):
    """`bounds.info_nce` and `mixtures.info_nce`, some images at a time.

    Args:
        chunk_size: int. Number of images, with `num_mixtures` anchors each.
    """
    elsewhere = VERY_NEGATIVE if own_image_score is None else own_image_score

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
    if not isinstance(scores, scores_lib.DotProductScores):
        raise ValueError(
            "`chunk_size` saves memory only if the scores are not made yet: "
            "pass DotProductScores(anchors, candidates) as `scores`. "
            f"Received: {type(scores).__name__}"
        )
    positives = ops.cast(positives, "float32")
    negatives = ops.cast(negatives, "float32")
    num_locations = math.prod(scores.candidates.shape[1:-1]) / math.prod(
        positives.shape[2:]
    )
    totals = tuple(
        ops.maximum(ops.sum(mask) * num_locations, 1.0)
        for mask in (positives, negatives)
    )

    @ops.custom_gradient
    def value_of(anchors, candidates):
        units = candidates.shape[-1]
        flat = ops.reshape(candidates, (-1, units))
        num_anchors = ops.shape(anchors)[0]
        num_chunks = (num_anchors + chunk_size - 1) // chunk_size

        def fill(tensor):
            # Anchors of zeros without any pair fill the last chunk.
            missing = num_chunks * chunk_size - num_anchors
            rest = [[0, 0]] * (len(tensor.shape) - 1)
            return ops.pad(tensor, [[0, missing], *rest])

        def rows_of(tensor, first):
            start = (first,) + (0,) * (len(tensor.shape) - 1)
            return ops.slice(
                tensor, start, (chunk_size, *ops.shape(tensor)[1:])
            )

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
            if scores.limit is not None:
                slopes = slopes * clipping.soft_clip_slope(rows, scores.limit)
            # Back to the precision of the factors: the products run there.
            slopes = ops.cast(ops.reshape(slopes, (chunk_size, -1)), own.dtype)
            candidate_slopes = candidate_slopes + ops.cast(
                ops.matmul(ops.transpose(slopes), own), "float32"
            )
            # The slopes take the place of their anchors. This also makes each
            # chunk wait for the one before it: a loop that runs its chunks
            # side by side would hold all their scores at once.
            anchors = ops.slice_update(
                anchors, (first, 0), ops.matmul(slopes, flat)
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
