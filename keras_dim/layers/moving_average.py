"""An exponential moving average whose state is saved."""

import math

import keras
from keras import layers
from keras import ops

from keras_dim import configurable


@keras.saving.register_keras_serializable(package="keras_dim")
class MovingAverage(configurable.Configurable, layers.Layer):
    """Averages values over steps, recent ones more: decay * old + rest * new.

    The first value is the first average. The state is float32 whatever the
    policy, gets no gradient, and is saved with the model.

    On several replicas, update with a value that all of them share.

    Args:
        decay: float. Weight of the past, from 0 to below 1.
        shape: tuple of int. Shape of the values. Defaults to `()`.
        log_space: bool. Whether values and average are logarithms of the
            averaged numbers, as of the sums of exponentials in MINE, which
            would overflow themselves. Defaults to `False`.

    Example:
    ```python
    average = MovingAverage(decay=0.99, log_space=True)
    log_denominator = average.update(log_mean_exp_of_scores)
    ```
    """

    def __init__(self, decay, shape=(), log_space=False, **kwargs):
        super().__init__(**{**kwargs, "dtype": "float32"})
        if not 0.0 <= decay < 1.0:
            raise ValueError(
                f"`decay` must be from 0 to below 1. Received: {decay}"
            )
        self.decay = decay
        self.shape = tuple(shape)
        self.log_space = log_space
        self.average = self.add_weight(
            name="average",
            shape=self.shape,
            initializer="zeros",
            trainable=False,
            # Half precision would round it where a method reads it.
            autocast=False,
        )
        self.has_started = self.add_weight(
            name="has_started",
            shape=(),
            initializer="zeros",
            trainable=False,
            autocast=False,
        )
        self.built = True

    def read(self):
        """Returns the average, a float32 tensor; zeros before any update."""
        return ops.stop_gradient(ops.convert_to_tensor(self.average))

    def update(self, value):
        """Takes a value in and returns the new average.

        Args:
            value: tensor of shape `shape`. The same on all replicas.
        """
        if tuple(value.shape) != self.shape:
            raise ValueError(
                f"The average is one of values of shape {self.shape}. "
                f"Received: shape {tuple(value.shape)}"
            )
        value = ops.cast(ops.stop_gradient(value), "float32")
        average = ops.where(
            self.has_started > 0,
            average_with(self.read(), value, self.decay, self.log_space),
            value,
        )
        self.average.assign(average)
        self.has_started.assign(1.0)
        return average


def average_with(average, value, decay, log_space=False):
    """Returns `decay * average + (1 - decay) * value`, or that of logarithms.

    Args:
        average, value: float tensors of one shape.
        decay: float. From 0 to below 1.
        log_space: bool. Whether all three are logarithms. Defaults to
            `False`.
    """
    if not log_space:
        return decay * average + (1.0 - decay) * value
    new = math.log1p(-decay) + value
    if decay == 0.0:
        return new
    return ops.logaddexp(math.log(decay) + average, new)
