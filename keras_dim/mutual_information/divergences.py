"""Divergences between distributions whose densities are known."""

from keras import ops


def normal_to_standard_normal(mean, log_variance):
    """Kullback-Leibler divergence of N(mean, variance) from N(0, I), in nats.

    `0.5 * sum(mean^2 + variance - log(variance) - 1)` over the units;
    Appendix B of https://arxiv.org/abs/1312.6114.

    Args:
        mean, log_variance: tensors `(batch, units)`.

    Returns:
        Float32 tensor `(batch,)`.
    """
    mean = ops.cast(mean, "float32")
    log_variance = ops.cast(log_variance, "float32")
    return 0.5 * ops.sum(
        ops.square(mean) + ops.exp(log_variance) - log_variance - 1.0, axis=-1
    )
