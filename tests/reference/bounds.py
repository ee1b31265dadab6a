"""Bounds on information, pair by pair.

Each takes scores `(anchors, candidates)` or `(anchors, candidates, locations)`
and two masks that broadcast to them, all as NumPy arrays.
"""

import math

import numpy as np


def _chosen(scores, mask):
    mask = np.broadcast_to(mask, scores.shape)
    return [
        float(score)
        for score, is_chosen in zip(scores.flat, mask.flat, strict=True)
        if is_chosen
    ]


def _softplus(x):
    return np.logaddexp(0.0, x)


def _mean_difference(activation, conjugate):
    def bound(scores, positives, negatives):
        joint = [activation(score) for score in _chosen(scores, positives)]
        product = [conjugate(score) for score in _chosen(scores, negatives)]
        return np.mean(joint) - np.mean(product)

    return bound


gan = _mean_difference(lambda s: -_softplus(-s), _softplus)
jensen_shannon = _mean_difference(
    lambda s: math.log(2) - _softplus(-s), lambda s: _softplus(s) - math.log(2)
)
kullback_leibler = _mean_difference(lambda s: s, lambda s: math.exp(s - 1))
reverse_kullback_leibler = _mean_difference(
    lambda s: -math.exp(-s), lambda s: s - 1
)
squared_hellinger = _mean_difference(
    lambda s: 1 - math.exp(-s), lambda s: math.exp(s) - 1
)
pearson_chi_squared = _mean_difference(lambda s: s, lambda s: s * s / 4 + s)


def donsker_varadhan(scores, positives, negatives):
    joint = np.mean(_chosen(scores, positives))
    product = [math.exp(score) for score in _chosen(scores, negatives)]
    return joint - math.log(np.mean(product))


def info_nce(scores, positives, negatives, own_image_score=None):
    positives = np.broadcast_to(positives, scores.shape)
    negatives = np.broadcast_to(negatives, scores.shape)
    terms = []
    for row, row_positives, row_negatives in zip(
        scores, positives, negatives, strict=True
    ):
        rivals = _chosen(row, row_negatives)
        num_rivals = len(rivals)
        if own_image_score is not None:
            num_others = row.size - num_rivals
            rivals = rivals + [own_image_score] * num_others
        for score in _chosen(row, row_positives):
            denominator = math.exp(score) + sum(math.exp(r) for r in rivals)
            terms.append(
                score - math.log(denominator) + math.log(1 + num_rivals)
            )
    return np.mean(terms)


BOUNDS = {
    function_name: globals()[function_name]
    for function_name in (
        "jensen_shannon",
        "donsker_varadhan",
        "info_nce",
        "gan",
        "kullback_leibler",
        "reverse_kullback_leibler",
        "squared_hellinger",
        "pearson_chi_squared",
    )
}
