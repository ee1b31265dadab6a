"""Features scored against a memory bank, for noise-contrastive estimation."""

import math

import keras
from keras import ops

from keras_dim import checks
from keras_dim import configurable
from keras_dim import distribution
from keras_dim.layers import memory

# Estimates of the normaliser, and the decay of their moving average.
NORMALIZERS = {"first_batch": 1.0, "moving_average": 0.99}


@keras.saving.register_keras_serializable(package="keras_dim")
class NoiseContrast(configurable.Configurable, memory.StateLayer):
    """Log-ratios of the probabilities of a bank's rows by a feature and noise.

    The probability of row `i` of the bank, given a feature, is
    `exp(row_i . feature / temperature) / Z`. The sum over all rows is too
    costly, so that `Z` is a constant, estimated as the mean over drawn rows,
    including the positives, of their exponentials divided by their
    probabilities under the noise.

    Args:
        temperature: float. Scores are divided by it. Defaults to 0.07.
        normalizer: str or float. `"first_batch"` keeps the estimate of the
            first batch, as in the authors' code; `"moving_average"` averages
            those of all batches with a decay of 0.99; a number is `Z` itself.
            Defaults to `"first_batch"`.

    Reference: [Wu et al., 2018](https://arxiv.org/abs/1805.01978), section
    3.2.
    """

    def __init__(self, temperature=0.07, normalizer="first_batch", **kwargs):
        super().__init__(**kwargs)
        checks.above(0, temperature=temperature)
        if isinstance(normalizer, str):
            checks.one_of(NORMALIZERS, normalizer=normalizer)
            decay = NORMALIZERS[normalizer]
            self.log_average = memory.MovingAverage(decay, log_space=True)
        else:
            checks.above(0, normalizer=normalizer)
        self.temperature = temperature
        self.normalizer = normalizer

    def call(self, features, rows, log_noise, training=False):
        """Returns log-ratios `(images, rows of an image)`, float32.

        Args:
            features: tensor `(images, units)`, of length 1.
            rows: tensor `(images, rows of an image, units)`, of the bank.
            log_noise: tensor `(images, rows of an image)`. Log-probabilities
                of the rows under the noise.
            training: bool. Whether the estimate of `Z` is updated.
        """
        scores = ops.einsum("bu,bru->br", features, rows) / self.temperature
        ratios = scores - log_noise
        return ratios - self._log_normalizer(ratios, training)

    def _log_normalizer(self, ratios, training):
        if not isinstance(self.normalizer, str):
            return math.log(self.normalizer)
        # An image's own row may have probability 0 under the noise.
        is_drawn = ops.isfinite(ratios)
        count = ops.sum(ops.cast(is_drawn, "float32"))
        total = ops.logsumexp(ops.where(is_drawn, ratios, -1e9))
        # Over all replicas.
        total = distribution.stack_replicas(ops.stop_gradient(total))
        count = distribution.sum_replicas(count)
        estimate = ops.logsumexp(total) - ops.log(count)
        if training:
            return self.log_average.update(estimate)
        has_started = self.log_average.has_started > 0
        return ops.where(has_started, self.log_average.read(), estimate)
