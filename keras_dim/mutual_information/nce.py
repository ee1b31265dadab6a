"""Noise-contrastive estimation: data against noise of a known density."""

import math

from keras import ops

from keras_dim import checks


def binary_nce(data_log_ratios, noise_log_ratios):
    """Returns the loss of classifying one datum and several noise samples.

    The log-odds that a sample is data are its log-ratio minus the logarithm of
    the number of noise samples per datum. At the minimum, the model has the
    density of the data.

    Args:
        data_log_ratios: tensor `(batch,)`. Log-density of the data under the
            model, including its learned or estimated normaliser, minus that
            under the noise.
        noise_log_ratios: tensor `(batch, noise samples)`. The same of the
            noise samples. Their losses are summed, not averaged.

    Returns:
        Float32 tensor `(batch,)` in nats, to be minimised.

    Reference: [Gutmann and Hyvarinen, 2012](
    https://jmlr.org/papers/v13/gutmann12a.html).
    """
    data = ops.cast(data_log_ratios, "float32")
    noise = ops.cast(noise_log_ratios, "float32")
    checks.shape((None,), data_log_ratios=data)
    checks.shape((data.shape[0], None), noise_log_ratios=noise)
    log_count = math.log(noise.shape[1])
    of_noise = ops.sum(ops.softplus(noise - log_count), axis=1)
    return ops.softplus(log_count - data) + of_noise
