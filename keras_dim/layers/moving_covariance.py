"""The covariance of features over steps."""

import keras
from keras import ops

from keras_dim import checks
from keras_dim import configurable
from keras_dim import distribution
from keras_dim.layers import memory


@keras.saving.register_keras_serializable(package="keras_dim")
class MovingCovariance(configurable.Configurable, memory.StateLayer):
    """Averages the mean and the covariance of features over steps.

        mean = decay * mean + (1 - decay) * mean of the batch
        covariance = decay * covariance
            + (1 - decay) * mean of (feature - mean) (feature - mean)^T

    The mean starts at zero, the covariance as the identity. Gradients flow to
    the batch only.

    Args:
        units: int. Width of the features.
        decay: float. Weight of the past, from 0 to below 1. Defaults to 0.01.

    Reference: [Ozsoy et al., 2022](https://arxiv.org/abs/2209.07999).
    """

    def __init__(self, units, decay=0.01, **kwargs):
        super().__init__(**kwargs)
        checks.integers(1, units=units)
        checks.at_least(0, decay=decay)
        checks.below(1, decay=decay)
        self.units = units
        self.decay = decay
        self.mean = self.add_state("mean", (units,))
        self.covariance = self.add_state(
            "covariance", (units, units), keras.initializers.Identity()
        )

    def with_batch(self, features):
        """Returns the mean and covariance after a batch, for `update`.

        Args:
            features: tensor `(images, units)`, of this replica.

        Returns:
            Float32 tensors `(units,)` and `(units, units)`.
        """
        features = distribution.concat_replicas(features)
        features = ops.cast(features, "float32")
        new = 1.0 - self.decay
        old_mean, old = map(self.value_of, (self.mean, self.covariance))
        mean = self.decay * old_mean + new * ops.mean(features, axis=0)
        centred = features - mean
        num_images = ops.cast(ops.shape(features)[0], "float32")
        moments = ops.matmul(ops.transpose(centred), centred) / num_images
        return mean, self.decay * old + new * moments

    def update(self, mean, covariance):
        """Stores a mean and a covariance."""
        self.mean.assign(ops.stop_gradient(mean))
        self.covariance.assign(ops.stop_gradient(covariance))
