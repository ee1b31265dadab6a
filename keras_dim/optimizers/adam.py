"""Adam as in PyTorch."""

import math

import keras
from keras import ops

from keras_dim import checks
from keras_dim import configurable
from keras_dim.optimizers import slots


@keras.saving.register_keras_serializable(package="keras_dim")
class Adam(configurable.Configurable, keras.optimizers.Optimizer):
    """Adam as PyTorch computes it, with an L2 penalty if wanted.

    Keras's own Adam adds `epsilon` to the root of the second moment before it
    corrects the moment's bias, PyTorch after that. Where gradients are near
    1e-6, Keras's first steps are a quarter too small.

    Args:
        learning_rate: float or schedule. Defaults to 0.001.
        beta_1: float. Decay of the first moment. Defaults to 0.9.
        beta_2: float. Decay of the second moment. Defaults to 0.999.
        epsilon: float. Added to the root of the second moment. Defaults to
            1e-8.
        l2: float. `l2 * variable` is added to the gradient: what PyTorch's
            `Adam` calls `weight_decay`. Defaults to 0.
        **kwargs: see `keras.optimizers.Optimizer`. Its `weight_decay` is
            decoupled, as in PyTorch's `AdamW`.

    Reference:
        - [Kingma and Ba, 2014](https://arxiv.org/abs/1412.6980)
        - [Loshchilov and Hutter, 2017](https://arxiv.org/abs/1711.05101)
    """

    def __init__(
        self,
        learning_rate=0.001,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-8,
        l2=0.0,
        **kwargs,
    ):
        checks.at_least(0, beta_1=beta_1, beta_2=beta_2, l2=l2)
        checks.below(1, beta_1=beta_1, beta_2=beta_2)
        checks.above(0, epsilon=epsilon)
        super().__init__(learning_rate, **kwargs)
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.l2 = l2

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        self._first_moments = slots.zeros_like(self, variables, "first_moment")
        self._second_moments = slots.zeros_like(
            self, variables, "second_moment"
        )

    def update_step(self, gradient, variable, learning_rate):
        index = self._get_variable_index(variable)
        first, second = self._first_moments[index], self._second_moments[index]
        gradient = slots.with_l2(gradient, variable, self.l2)
        self.assign_add(first, (gradient - first) * (1 - self.beta_1))
        self.assign_add(
            second, (ops.square(gradient) - second) * (1 - self.beta_2)
        )
        step = ops.cast(self.iterations + 1, "float32")
        rate = ops.cast(learning_rate, "float32") / _one_minus_power(
            self.beta_1, step
        )
        correction = ops.sqrt(_one_minus_power(self.beta_2, step))
        rate, correction = (
            ops.cast(number, variable.dtype) for number in (rate, correction)
        )
        self.assign_sub(
            variable,
            rate * first / (ops.sqrt(second) / correction + self.epsilon),
        )


def _one_minus_power(base, exponent):
    """Returns `1 - base ** exponent`, of which float32 rounds much away."""
    return -ops.expm1(exponent * math.log(base)) if base else 1.0
