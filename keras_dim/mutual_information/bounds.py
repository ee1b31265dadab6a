"""Variational bounds of a critic's scores, to be maximised in training.

Each is a lower bound on a divergence, most on mutual information, in nats. In
training its value is a score and no bound: the critic is trained on the same
pairs, and locations of one image depend on each other, so that it may exceed
the information. `estimate` estimates the information.

Every bound is called as `bound(scores, positives, negatives)` and returns a
scalar to be maximised:

- `scores`, shape `(anchors, candidates, ...)`: the critic's value for each
  pair, a tensor or `DotProductScores`. Axes after the second (e.g. locations)
  hold further candidates.
- `positives`, `negatives`, broadcastable to `scores`: 1 for pairs drawn from
  the joint distribution, or from the product of the marginals. A pair in
  neither mask (such as an anchor with itself) is ignored. The positives of
  `DotProductScores` are the pairs of one image, as `dot_product_pairs` marks
  them.

Under a `tf.distribute` strategy, the mean of a bound over the replicas is its
value for the whole batch.

The f-divergences are bounded by their variational form: the mean of
`activation(scores)` over positives minus the mean of the convex conjugate over
negatives; Table 6 of https://arxiv.org/abs/1606.00709.
"""

import functools
import math

import keras
from keras import ops

from keras_dim import checks
from keras_dim import configurable
from keras_dim import distribution
from keras_dim.mutual_information import rankings
from keras_dim.mutual_information import rows
from keras_dim.mutual_information.pairs import DotProductScores


def jensen_shannon(scores, positives, negatives, chunk_size=None):
    """Jensen-Shannon bound; Eq. 4 of https://arxiv.org/abs/1808.06670.

    It is `gan` plus a constant that makes it 0 for scores of 0. It bounds twice
    the Jensen-Shannon divergence, at most `2 log 2`.

    Args:
        scores, positives, negatives: see the module.
        chunk_size: int, or None for all at once. Number of anchors scored at a
            time, which limits the memory; for `DotProductScores` only.
    """
    return gan(scores, positives, negatives, chunk_size) + 2.0 * math.log(2.0)


def gan(scores, positives, negatives, chunk_size=None):
    """Value of the original adversarial game, at most zero.

    Eq. 1 of https://arxiv.org/abs/1406.2661, with logits as scores.
    """
    functions = lambda s: -ops.softplus(-s), ops.softplus, ops.sigmoid
    return _divergence(*functions, scores, positives, negatives, chunk_size)


def kullback_leibler(scores, positives, negatives, chunk_size=None):
    """Kullback-Leibler bound of f-GAN: mean of s minus mean of exp(s - 1)."""
    functions = lambda s: s, *[lambda s: ops.exp(s - 1.0)] * 2
    return _divergence(*functions, scores, positives, negatives, chunk_size)


def reverse_kullback_leibler(scores, positives, negatives, chunk_size=None):
    """Reverse Kullback-Leibler bound: mean of -exp(-s) minus mean of s - 1."""
    functions = lambda s: -ops.exp(-s), lambda s: s - 1.0, ops.ones_like
    return _divergence(*functions, scores, positives, negatives, chunk_size)


def squared_hellinger(scores, positives, negatives, chunk_size=None):
    """Squared Hellinger bound: mean of 1 - exp(-s) minus mean of exp(s) - 1."""
    functions = lambda s: 1.0 - ops.exp(-s), lambda s: ops.exp(s) - 1.0, ops.exp
    return _divergence(*functions, scores, positives, negatives, chunk_size)


def pearson_chi_squared(scores, positives, negatives, chunk_size=None):
    """Pearson chi-squared bound: mean of s minus mean of s^2 / 4 + s.

    Differs from the authors' code of Deep InfoMax, whose `X2` is unbounded
    for scores of either sign.
    """
    functions = lambda s: s, lambda s: s * (s / 4 + 1), lambda s: s / 2 + 1
    return _divergence(*functions, scores, positives, negatives, chunk_size)


def donsker_varadhan(scores, positives, negatives, chunk_size=None):
    """Donsker-Varadhan bound; Eq. 2 of https://arxiv.org/abs/1808.06670.

    Differs from the authors' code (`mode="dv"`), which fails for all usual
    shapes. The mean exponential is that of all negative pairs of the batch, on
    all replicas.
    """
    of_rows, scores = rows.log_sum_exp_rows(
        scores, negatives, chunk_size=chunk_size
    )
    here = ops.logsumexp(of_rows)
    # The logarithm is outside the mean, so that it must span all replicas.
    everywhere = ops.logsumexp(distribution.stack_replicas(here))
    num_pairs = distribution.sum_replicas(_num_pairs(scores, negatives))
    log_mean = everywhere - ops.log(ops.maximum(num_pairs, 1.0))
    return _joint_mean(lambda s: s, scores, positives) - log_mean


def noise_contrastive(scores, positives, negatives, log_normalizer=0.0):
    """Binary noise-contrastive estimation, as a bound on mutual information.

    The negatives of a row are noise samples for its positive. It is minus the
    loss `nce.binary_nce` of the log-ratios `scores - log_normalizer`, plus a
    constant that makes it 0 for log-ratios of 0. With `n` negatives in a row
    and pairs that the critic has not seen, it bounds a skewed Jensen-Shannon
    divergence, `KL(p | m) + n KL(q | m)` with `m = (p + n q) / (1 + n)`. This
    is below the mutual information, and approaches it as `n` grows. The best
    `log_normalizer` of the best scores is the log of their partition function,
    0 if they are log-ratios of densities.

    Args:
        scores, positives, negatives: see the module. All rows have the same
            number of negatives.
        log_normalizer: float or scalar tensor. Defaults to 0.

    Reference: [Gutmann and Hyvarinen, 2012](
    https://jmlr.org/papers/v13/gutmann12a.html).
    """
    num_noise = rows.count_rows(scores, negatives)
    if getattr(scores, "rows_are_split", False):
        num_noise = distribution.sum_replicas(num_noise)
    num_noise = ops.maximum(ops.max(num_noise), 1.0)
    offset = log_normalizer + ops.log(num_noise)
    functions = (
        lambda s: -ops.softplus(offset - s),
        lambda s: num_noise * ops.softplus(s - offset),
        lambda s: num_noise * ops.sigmoid(s - offset),
    )
    value = _divergence(*functions, scores, positives, negatives, None)
    return value + ops.log1p(num_noise) + num_noise * ops.log1p(1 / num_noise)


def info_nce(
    scores, positives, negatives, own_image_score=None, chunk_size=None
):
    """InfoNCE; Eq. 5 of https://arxiv.org/abs/1808.06670.

    A lower bound on mutual information for one location of each image and pairs
    that the critic has not seen. With several locations per image it is no
    bound, as the negatives of one image depend on each other.

    Each positive is compared with all negatives of its row, and with no other
    positive. At most `log(1 + negatives per row)`.

    Args:
        scores, positives, negatives, chunk_size: see `jensen_shannon`.
        own_image_score: float, the score in the denominator of pairs that are
            not negatives; or None, which leaves them out. The authors' code
            uses -10, which has little effect if scores are tens.
    """
    posteriors, mask = _log_posteriors(
        scores, positives, negatives, own_image_score, chunk_size
    )
    return ops.mean(posteriors) if mask is None else _mean(posteriors, mask)


def nce_scores(
    scores, positives, negatives, own_image_score=None, chunk_size=None
):
    """Returns the terms whose mean is `info_nce`, one for each positive.

    A term is the log probability of the positive among itself and all negatives
    of its row, plus the logarithm of their number, in nats.

    Args:
        scores, positives, negatives, own_image_score, chunk_size: see
            `info_nce`. Each anchor has one image of positives.

    Returns:
        Tensor with the shape of the scores without the candidates' axis.
    """
    posteriors, mask = _log_posteriors(
        scores, positives, negatives, own_image_score, chunk_size
    )
    if mask is None:
        return posteriors
    return ops.sum(ops.where(mask > 0, posteriors, 0.0), axis=1)


def _log_posteriors(scores, positives, negatives, own_image_score, chunk_size):
    """Returns the terms of `info_nce` of all pairs, and the positives' mask.

    For `DotProductScores`, those of positive pairs only, and None.
    """
    outside = rows.VERY_NEGATIVE if own_image_score is None else own_image_score
    rivals, scores = rows.log_sum_exp_rows(
        scores, negatives, outside, chunk_size
    )
    num_rivals = rows.count_rows(scores, negatives)
    own, mask = scores, positives
    if isinstance(scores, DotProductScores):
        own, mask = scores.of_own_images(), None
        if scores.rows_are_split:
            rivals = distribution.stack_replicas(rivals)
            rivals = ops.logsumexp(rivals, axis=0)
            num_rivals = distribution.sum_replicas(num_rivals)
            rivals, num_rivals = (
                distribution.own_rows(row, ops.shape(own)[0])
                for row in (rivals, num_rivals)
            )
    own = ops.cast(own, "float32")
    shape = (-1, *[1] * (len(own.shape) - 1))
    rivals, num_rivals = (
        ops.reshape(row, shape) for row in (rivals, num_rivals)
    )
    return ops.log1p(num_rivals) - ops.softplus(rivals - own), mask


def _divergence(
    activation, conjugate, slope, scores, positives, negatives, chunk_size
):
    """Returns the variational form of an f-divergence; see the module.

    `slope` is the derivative of the conjugate.
    """
    sums, scores = rows.sum_rows(
        conjugate, slope, scores, negatives, chunk_size
    )
    num_pairs = ops.maximum(_num_pairs(scores, negatives), 1.0)
    joint = _joint_mean(activation, scores, positives)
    return joint - ops.sum(sums) / num_pairs


def _joint_mean(function, scores, positives):
    """Returns the mean of a function of the scores over positive pairs."""
    if isinstance(scores, DotProductScores):
        return ops.mean(function(scores.of_own_images()))
    return _mean(function(ops.cast(scores, "float32")), positives)


def _num_pairs(scores, mask):
    repeats = rows.shape_of(scores)[0] / ops.shape(mask)[0]
    counts = rows.count_rows(scores, mask)
    return ops.sum(counts) * ops.cast(repeats, "float32")


def _mean(values, mask):
    # `where`, as 0 times an overflowed exponential is NaN.
    mask = ops.broadcast_to(ops.cast(mask, "float32"), ops.shape(values))
    total = ops.sum(ops.where(mask > 0, values, 0.0))
    return total / ops.maximum(ops.sum(mask), 1.0)


BOUNDS = {
    "jensen_shannon": jensen_shannon,
    "donsker_varadhan": donsker_varadhan,
    "info_nce": info_nce,
    "gan": gan,
    "kullback_leibler": kullback_leibler,
    "reverse_kullback_leibler": reverse_kullback_leibler,
    "squared_hellinger": squared_hellinger,
    "pearson_chi_squared": pearson_chi_squared,
}


@keras.saving.register_keras_serializable(package="keras_dim")
class Bound(configurable.ConfigurableObject):
    """A bound by its name, for the argument `bound` of a method.

    Args:
        name: str. One of `BOUNDS`.
        chunk_size: int or None. See `jensen_shannon`. Defaults to None.
    """

    def __init__(self, name, chunk_size=None):
        checks.one_of(BOUNDS, bound=name)
        checks.integers(1, **checks.given(chunk_size=chunk_size))
        self.name = name
        self.chunk_size = chunk_size

    def __call__(self, *pairs):
        return BOUNDS[self.name](*pairs, chunk_size=self.chunk_size)

    def ceiling(self, num_negatives):
        """Returns the greatest value for `num_negatives` per row, or None."""
        return 2.0 * math.log(2.0) if self.name == "jensen_shannon" else None


@keras.saving.register_keras_serializable(package="keras_dim")
class InfoNCE(configurable.ConfigurableObject):
    """The InfoNCE bound and its options, for the argument `bound` of a method.

    Args:
        own_image_score: float or None. See `info_nce`. Defaults to None.
        chunk_size: int or None. See `jensen_shannon`. Defaults to None.
    """

    def __init__(self, own_image_score=None, chunk_size=None):
        given = checks.given(own_image_score=own_image_score)
        checks.below(math.inf, **given)
        checks.integers(1, **checks.given(chunk_size=chunk_size))
        self.own_image_score = own_image_score
        self.chunk_size = chunk_size

    def __call__(self, *pairs):
        return info_nce(*pairs, self.own_image_score, self.chunk_size)

    def values(self, *pairs):
        """Returns the terms whose mean is the bound; see `nce_scores`."""
        return nce_scores(*pairs, self.own_image_score, self.chunk_size)

    def ceiling(self, num_negatives):
        """Returns the greatest value; see `Bound.ceiling`."""
        return math.log1p(num_negatives)


BOUND_OBJECTS = (
    {name: functools.partial(Bound, name) for name in BOUNDS}
    | {"info_nce": InfoNCE}
    | rankings.RANKINGS
)
