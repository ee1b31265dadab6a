"""Noise-contrastive estimation: tell data from noise of a known density."""

import math

from keras import ops


def binary_nce(data_log_ratios, noise_log_ratios):
    """Returns the loss of telling one datum from several noise samples.

    The logarithm of the odds that a sample is data is its log-ratio less the
    logarithm of the number of noise samples to a datum. At the minimum, the
    model has the density of the data.

    Args:
        data_log_ratios: tensor `(batch,)`. Log-density of the data under the
            model, its learned or estimated normaliser included, less that
            under the noise.
        noise_log_ratios: tensor `(batch, noise samples)`. The same of the
            noise samples, which are summed, not averaged.

    Returns:
        Float32 tensor `(batch,)`, to be minimised.

    Reference: [Gutmann and Hyvarinen, 2012](
    https://jmlr.org/papers/v13/gutmann12a.html).
    """
    data = ops.cast(data_log_ratios, "float32")
    noise = ops.cast(noise_log_ratios, "float32")
    log_count = math.log(noise.shape[1])
    of_noise = ops.sum(ops.softplus(noise - log_count), axis=1)
    return ops.softplus(log_count - data) + of_noise
