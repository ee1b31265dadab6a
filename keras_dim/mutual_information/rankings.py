"""Losses that rank a positive above negatives: margins and N-pairs.

The objects are for the argument `bound` of a method, which is maximised: each
returns minus its loss. They take computed scores `(anchors, candidates)`, with
one positive per row.
"""

import keras
from keras import ops

from keras_dim import checks
from keras_dim import configurable
from keras_dim import distribution
from keras_dim.mutual_information import pairs as pairs_lib


class Ranking(configurable.ConfigurableObject):
    """Base of losses that compare a positive with the negatives of its row."""

    # Whether scores must be cosines, not divided by a temperature.
    takes_cosines = False

    def __call__(self, scores, positives, negatives):
        if isinstance(scores, pairs_lib.DotProductScores):
            raise ValueError(
                f"{self} takes scores of vectors, with one positive to a row, "
                "such as those of SimCLR and MoCo. Received: scores of maps"
            )
        scores = ops.cast(scores, "float32")
        masks = [
            ops.broadcast_to(ops.cast(mask, "float32"), ops.shape(scores))
            for mask in (positives, negatives)
        ]
        own = ops.sum(ops.where(masks[0] > 0, scores, 0.0), 1, keepdims=True)
        return -self.loss(own, scores, masks[1])

    def ceiling(self, num_negatives):
        """Returns None: the greatest value is 0 for any number of negatives."""


@keras.saving.register_keras_serializable(package="keras_dim")
class Margin(Ranking):
    """Mean over negatives of `max(0, negative - positive + margin)`.

    Scores must be cosines: `temperature=1`.

    Args:
        margin: float. Defaults to 0.4; the paper tried 0, 0.4, 0.8 and 1.6.

    Reference: [Chen et al., 2020](https://arxiv.org/abs/2002.05709), Table 2.
    """

    takes_cosines = True

    def __init__(self, margin=0.4):
        checks.at_least(0, margin=margin)
        self.margin = margin

    def loss(self, own, scores, negatives):
        hinges = ops.relu(scores - own + self.margin)
        return ops.sum(negatives * hinges) / ops.sum(negatives)


@keras.saving.register_keras_serializable(package="keras_dim")
class OneVsOne(Ranking):
    """Mean over anchors of the sum of `softplus(negative - positive)`.

    Reference: N-pair-ovo of [Sohn, 2016](
    https://papers.nips.cc/paper/6200).
    """

    def loss(self, own, scores, negatives):
        losses = negatives * ops.softplus(scores - own)
        return ops.mean(ops.sum(losses, axis=1))


@keras.saving.register_keras_serializable(package="keras_dim")
class ContrastiveMargin(Ranking):
    """Distances of unit vectors, held apart by a margin.

    With `D^2 = 2 - 2 score`, half of the mean of `D^2` over positives plus half
    of the mean of `max(0, margin - D)^2` over negatives. Scores must be
    cosines: `temperature=1`.

    Args:
        margin: float. Distance from which negatives have no loss, below 2.
            Defaults to 1.

    Reference: [Hadsell et al., 2006](https://doi.org/10.1109/CVPR.2006.100).
    """

    takes_cosines = True

    def __init__(self, margin=1.0):
        checks.above(0, margin=margin)
        checks.below(2, margin=margin)
        self.margin = margin

    def loss(self, own, scores, negatives):
        squares = ops.relu(2.0 - 2.0 * scores)
        apart = contrastive_margin(squares, 1.0, self.margin)
        apart = ops.sum(negatives * apart) / ops.sum(negatives)
        return apart + ops.mean(1.0 - own)


def contrastive_margin(squared_distances, is_different, margin=1.0):
    """Returns the loss of each pair; Eq. 4 of Hadsell et al.

    `0.5 D^2` for positive pairs, `0.5 max(0, margin - D)^2` for negative ones,
    with a derivative of 0 at `D = 0`.

    Args:
        squared_distances: tensor. `D^2`, not negative.
        is_different: tensor that broadcasts to it: 1 for negative pairs, 0 for
            positive ones.
        margin: float. Defaults to 1.

    Returns:
        Tensor of the shape of `squared_distances`.
    """
    is_apart = squared_distances > 0
    # The root of 0 has an infinite slope.
    distances = ops.sqrt(ops.where(is_apart, squared_distances, 1.0))
    distances = ops.where(is_apart, distances, 0.0)
    pushed = ops.square(ops.relu(margin - distances))
    return 0.5 * (
        (1.0 - is_different) * squared_distances + is_different * pushed
    )


def n_pair(anchors, positives, one_vs_one=False, l2=0.0):
    """Returns the N-pair loss of vectors of any length.

    The positive of an anchor is in the same row. Its negatives are the
    positives of all other anchors, on all replicas.

    Args:
        anchors, positives: tensors `(images, units)`.
        one_vs_one: bool. Whether each negative is compared separately, instead
            of all by a softmax. Defaults to `False`.
        l2: float. Weight of the mean squared length of anchors plus that of
            positives. Defaults to 0.

    Returns:
        Float32 scalar, to be minimised.

    Reference: [Sohn, 2016](https://papers.nips.cc/paper/6200).
    """
    anchors, positives = (
        ops.cast(each, "float32") for each in (anchors, positives)
    )
    checks.shape(tuple(anchors.shape), positives=positives)
    ids = distribution.row_numbers(ops.shape(anchors)[0])
    scores = pairs_lib.dot_products(
        anchors, distribution.concat_replicas(positives)
    )
    others = 1.0 - pairs_lib.same_id(ids, distribution.concat_replicas(ids))
    gaps = scores - ops.sum(anchors * positives, axis=1, keepdims=True)
    if one_vs_one:
        losses = ops.sum(others * ops.softplus(gaps), axis=1)
    else:
        # The positive's own gap is 0.
        losses = ops.logsumexp(ops.where(others > 0, gaps, 0.0), axis=1)
    lengths = [
        ops.sum(ops.square(each), axis=1) for each in (anchors, positives)
    ]
    return ops.mean(losses) + l2 * ops.mean(lengths[0] + lengths[1])


def check_cosines(bound, temperature):
    """Raises a `ValueError` for a bound of cosines with other scores.

    Args:
        bound: bound object.
        temperature: float, by which cosines are divided; or None if the scores
            are no cosines.
    """
    if not getattr(bound, "takes_cosines", False) or temperature == 1:
        return
    if temperature is None:
        raise ValueError(
            "This method's scores are no cosines: take another bound, such as "
            f"'info_nce'. Received one that compares cosines: {bound}"
        )
    raise ValueError(
        f"{bound} compares cosines: set temperature=1. Received: "
        f"temperature={temperature}"
    )


RANKINGS = {
    "margin": Margin,
    "one_vs_one": OneVsOne,
    "contrastive_margin": ContrastiveMargin,
}
