"""Scores that are written down as factors until someone needs them whole."""

import typing

from keras import ops


class DotProductScores(typing.NamedTuple):
    """The inner products of all anchors with all candidates.

    A bound that takes `chunk_size` never holds them all at once; the others
    call `whole`.

    Attributes:
        anchors: tensor `(anchors, units)`.
        candidates: tensor `(candidates, ..., units)`.
    """

    anchors: typing.Any
    candidates: typing.Any

    def whole(self):
        """Returns the scores, shape `(anchors, candidates, ...)`, float32."""
        return dot_products(self.anchors, self.candidates)


class Pairs(typing.NamedTuple):
    """What a critic says of a batch: `bound(*pairs)` gives nats.

    Attributes:
        scores: tensor `(anchors, candidates, ...)` or `DotProductScores`.
        positives: mask, broadcastable to the scores.
        negatives: mask, broadcastable to the scores.
    """

    scores: typing.Any
    positives: typing.Any
    negatives: typing.Any


def dot_products(anchors, candidates):
    """Returns all inner products in float32, from factors of any precision.

    Args:
        anchors: tensor `(anchors, units)`.
        candidates: tensor `(candidates, ..., units)`.

    Returns:
        Tensor `(anchors, candidates, ...)`.
    """
    # One plain matrix product: the shape that matrix units are built for.
    units = candidates.shape[-1]
    flat = ops.reshape(candidates, (-1, units))
    scores = ops.cast(ops.matmul(anchors, ops.transpose(flat)), "float32")
    return ops.reshape(scores, (-1, *ops.shape(candidates)[:-1]))
