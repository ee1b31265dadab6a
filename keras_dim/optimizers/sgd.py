"""Stochastic gradient descent as in PyTorch."""

import keras
from keras import ops

from keras_dim import checks
from keras_dim import configurable
from keras_dim.optimizers import slots


@keras.saving.register_keras_serializable(package="keras_dim")
class SGD(configurable.Configurable, keras.optimizers.Optimizer):
    """Stochastic gradient descent as PyTorch computes it.

    Differs from `keras.optimizers.SGD` in two ways. `l2` is part of the
    gradient, whereas Keras's `weight_decay` is decoupled: it bypasses the
    momentum. And the learning rate multiplies the whole momentum, whereas
    Keras multiplies each gradient by it before the momentum adds them up: the
    two differ after the learning rate has changed.

    Args:
        learning_rate: float or schedule. Defaults to 0.01.
        momentum: float. From 0 to 1. Defaults to 0.
        nesterov: bool. Whether the momentum is Nesterov's. Defaults to False.
        l2: float. `l2 * variable` is added to the gradient: what PyTorch's
            `SGD` calls `weight_decay`. Defaults to 0.
        **kwargs: see `keras.optimizers.Optimizer`.
    """

    def __init__(
        self,
        learning_rate=0.01,
        momentum=0.0,
        nesterov=False,
        l2=0.0,
        **kwargs,
    ):
        checks.between(0, 1, momentum=momentum)
        checks.at_least(0, l2=l2)
        super().__init__(learning_rate, **kwargs)
        self.momentum = momentum
        self.nesterov = nesterov
        self.l2 = l2

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        self._momenta = slots.zeros_like(self, variables, "momentum")

    def update_step(self, gradient, variable, learning_rate):
        momentum = self._momenta[self._get_variable_index(variable)]
        gradient = slots.with_l2(gradient, variable, self.l2)
        step = self.momentum * momentum + gradient
        self.assign(momentum, step)
        if self.nesterov:
            step = gradient + self.momentum * step
        self.assign_sub(variable, ops.cast(learning_rate, step.dtype) * step)
