"""Estimates of mutual information from a critic's scores of independent pairs.

Every function takes `joint`, shape `(..., n)`, the scores of pairs drawn from
the joint distribution, and `product`, shape `(..., n, m)`, the scores of each
anchor with candidates of other pairs. Leading axes are separate problems. A
function returns `(...)`, in nats, to be maximised by a critic.

For pairs that the critic has not seen, they are

- lower bounds on mutual information in expectation: `nwj`, `tuba`,
  `interpolated`, `info_nce`;
- a lower bound for infinitely many pairs, and greater for few:
  `donsker_varadhan`;
- lower bounds on another divergence, whose best critic is the log-ratio of
  densities: `jensen_shannon`, `noise_contrastive` and the f-divergences;
- no bounds: `density_ratio`, `smile`;
- upper bounds if the critic is the true conditional log-density: `club`,
  `leave_one_out`.

For pairs that the critic was trained on, none is a bound.

Formulas without another reference are from [Poole et al., 2019](
https://arxiv.org/abs/1905.06922).
"""

import math

from keras import ops


def log_mean_exp(values, axis):
    """Returns the logarithm of the mean of exponentials, without overflow."""
    axes = (axis,) if isinstance(axis, int) else axis
    count = math.prod(ops.shape(values)[each] for each in axes)
    log_count = ops.log(ops.cast(count, "float32"))
    return ops.logsumexp(values, axis=axis) - log_count


def density_ratio(joint, product):
    """Mean score of joint pairs: the information, if scores are log-ratios."""
    return ops.mean(joint, axis=-1)


def donsker_varadhan(joint, product):
    """Mean joint score minus the log-mean-exp of product scores.

    Few pairs bias it upwards, as the logarithm is outside the mean.
    """
    return ops.mean(joint, axis=-1) - log_mean_exp(product, (-2, -1))


def mine(joint, product, log_average):
    """A function with the gradient of MINE, whose value has no meaning.

    The gradient is that of `donsker_varadhan` with a moving average in place of
    the batch's mean exponential; Eq. 12 of https://arxiv.org/abs/1801.04062.

    Args:
        joint, product: see the module.
        log_average: tensor `(...)`. Logarithm of the moving average, which
            includes this batch.
    """
    ratio = log_mean_exp(product, (-2, -1)) - ops.stop_gradient(log_average)
    return ops.mean(joint, axis=-1) - ops.exp(ratio)


def nwj(joint, product):
    """Mean joint score minus the mean of exp(score - 1).

    The best critic is 1 plus the log-ratio of densities. [Nguyen et al., 2010](
    https://arxiv.org/abs/0809.0853).
    """
    return tuba(joint, product, ops.ones_like(joint))


def tuba(joint, product, log_baseline):
    """The bound with a log baseline of each anchor, shape `(..., n)`.

    The best baseline is the log of an anchor's partition function.
    """
    of_rows = ops.exp(log_mean_exp(product, -1) - log_baseline)
    return ops.mean(joint - log_baseline - of_rows, axis=-1) + 1.0


def interpolated(joint, product, log_baseline, alpha=0.5):
    """Between `tuba`, at `alpha` 0, and `info_nce`, at 1."""
    others = log_mean_exp(product, -1)
    every = _with_joint(joint, product)
    with_own = log_mean_exp(every, -1)

    def mixed(log_mean):
        # At either end, the logarithm of 0 would be a NaN in the gradient.
        if alpha in (0.0, 1.0):
            return log_mean if alpha else log_baseline
        return ops.logaddexp(
            log_mean + math.log(alpha), log_baseline + math.log1p(-alpha)
        )

    of_rows = ops.exp(others - mixed(others))
    return ops.mean(joint - mixed(with_own) - of_rows, axis=-1) + 1.0


def info_nce(joint, product):
    """InfoNCE of one positive and `m` negatives; at most `log(1 + m)`."""
    with_own = log_mean_exp(_with_joint(joint, product), -1)
    return ops.mean(joint - with_own, axis=-1)


def smile(joint, product, limit=5.0):
    """Donsker-Varadhan with product scores clipped to `[-limit, limit]`.

    Clipping reduces the variance, and adds a bias of either sign; Eq. 15 of
    https://arxiv.org/abs/1910.06222.
    """
    return donsker_varadhan(joint, ops.clip(product, -limit, limit))


def jensen_shannon(joint, product):
    """Bounds twice the Jensen-Shannon divergence; see `bounds`."""
    value = _mean(ops.softplus(product)) + ops.mean(ops.softplus(-joint), -1)
    return 2.0 * math.log(2.0) - value


def noise_contrastive(joint, product):
    """Binary noise contrast, `m` noise samples per datum; see `bounds`."""
    count = ops.cast(ops.shape(product)[-1], "float32")
    log_count = ops.log(count)
    noise = count * _mean(ops.softplus(product - log_count))
    value = ops.mean(ops.softplus(log_count - joint), axis=-1) + noise
    return ops.log1p(count) + count * ops.log1p(1.0 / count) - value


def kullback_leibler(joint, product):
    """`nwj` of scores that are log-ratios."""
    return nwj(joint + 1.0, product + 1.0)


def reverse_kullback_leibler(joint, product):
    """Bounds the divergence of the product from the joint distribution."""
    return 1.0 - ops.mean(ops.exp(-joint), axis=-1) - _mean(product)


def squared_hellinger(joint, product):
    """Bounds the squared Hellinger distance, at most 2."""
    root = ops.mean(ops.exp(-0.5 * joint), axis=-1)
    return 2.0 - root - _mean(ops.exp(0.5 * product))


def pearson_chi_squared(joint, product):
    """Bounds the chi-squared divergence."""
    of_joint = 2.0 * ops.mean(ops.exp(joint), axis=-1)
    return of_joint - _mean(ops.exp(2.0 * product)) - 1.0


def club(joint, product):
    """Mean conditional log-density of joint minus that of product pairs.

    https://arxiv.org/abs/2006.12013.
    """
    return ops.mean(joint, axis=-1) - _mean(product)


def leave_one_out(joint, product):
    """Mean conditional log-density minus the log-mean-exp of other conditions.

    A row of `product` has the log-densities of one outcome given the conditions
    of other pairs.
    """
    return ops.mean(joint - log_mean_exp(product, -1), axis=-1)


def split(scores):
    """Returns the joint and the product scores of a square matrix of pairs.

    Args:
        scores: tensor `(..., n, n)`, whose diagonal holds the joint pairs.

    Returns:
        Tensors `(..., n)` and `(..., n, n - 1)`.
    """
    *lead, n, _ = ops.shape(scores)
    joint = ops.diagonal(scores, axis1=-2, axis2=-1)
    # After the first entry is dropped, the last of n + 1 columns is diagonal.
    flat = ops.reshape(scores, (*lead, n * n))[..., 1:]
    rest = ops.reshape(flat, (*lead, n - 1, n + 1))[..., :-1]
    return joint, ops.reshape(rest, (*lead, n, n - 1))


def _with_joint(joint, product):
    return ops.concatenate([joint[..., None], product], axis=-1)


def _mean(values):
    return ops.mean(values, axis=(-2, -1))
