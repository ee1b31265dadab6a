"""Scores kept within bounds, such that their slopes stay."""

from keras import ops


def soft_clip(scores, limit):
    """Returns `limit tanh(scores / limit)`, or the scores without a limit.

    Section 3.3 of https://arxiv.org/abs/1906.00910.

    Args:
        scores: tensor.
        limit: float or None. What no result goes beyond.
    """
    if limit is None:
        return scores
    return limit * ops.tanh(scores / limit)


def soft_clip_slope(clipped, limit):
    """Returns the derivative of `soft_clip`, from its result."""
    return 1.0 - ops.square(clipped / limit)
