"""Adam and SGD as PyTorch computes them, and LARS in three definitions."""

import math
import numbers

import keras
from keras import ops

from keras_dim import checks
from keras_dim import configurable

# Of the step of LARS.
DEFINITIONS = ("simclr", "byol", "lightly")
# Learned normalisers are estimates, which a penalty would bias to 0.
NOT_DECAYED = "log_normalizer"
# Biases, the scales and offsets of normalisations, and learned normalisers.
BIASES_AND_NORMS = ("bias", "beta", "gamma", "scale", NOT_DECAYED)


class Optimizer(configurable.Configurable, keras.optimizers.Optimizer):
    """Base of the optimizers: state for each variable, 0 at first."""

    slot_names = ("momentum",)

    def __init__(self, learning_rate, **kwargs):
        if isinstance(learning_rate, numbers.Real):
            checks.at_least(0, learning_rate=learning_rate)
        decay = kwargs.get("weight_decay")
        checks.at_least(0, **checks.given(weight_decay=decay))
        super().__init__(learning_rate, **kwargs)

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        self._slots = [
            [self.add_variable_from_reference(v, name=name) for v in variables]
            for name in self.slot_names
        ]
        self._is_decayed = [not v.path.endswith(NOT_DECAYED) for v in variables]

    def slots_of(self, variable):
        """Returns the state of a variable, in the order of `slot_names`."""
        index = self._get_variable_index(variable)
        return [slots[index] for slots in self._slots]

    def with_l2(self, gradient, variable):
        """Returns the gradient of the loss with the L2 penalty."""
        gradient = ops.cast(gradient, variable.dtype)
        if self.l2 and self._is_decayed[self._get_variable_index(variable)]:
            gradient = gradient + self.l2 * variable
        return gradient


@keras.saving.register_keras_serializable(package="keras_dim")
class Adam(Optimizer):
    """Adam as PyTorch computes it, with an optional L2 penalty.

    Keras's own Adam adds `epsilon` to the root of the second moment before
    the bias correction, PyTorch after it. Where gradients are near 1e-6,
    Keras's first steps are a quarter too small.

    Args:
        learning_rate: float or schedule. Defaults to 0.001.
        beta_1: float. Decay of the first moment. Defaults to 0.9.
        beta_2: float. Decay of the second moment. Defaults to 0.999.
        epsilon: float. Added to the root of the second moment. Defaults to
            1e-8.
        l2: float. See `keras_dim.optimizers`. Defaults to 0.
        **kwargs: see `keras.optimizers.Optimizer`. Its `weight_decay` is
            decoupled, as in PyTorch's `AdamW`.

    Reference:
        - [Kingma and Ba, 2014](https://arxiv.org/abs/1412.6980)
        - [Loshchilov and Hutter, 2017](https://arxiv.org/abs/1711.05101)
    """

    slot_names = ("first_moment", "second_moment")

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

    def apply(self, grads, trainable_variables=None):
        # Once a step: in `update_step` they would be computed for each
        # variable, a third of its operations.
        step = ops.cast(self.iterations + 1, "float32")
        self._corrections = (
            _one_minus_power(self.beta_1, step),
            ops.sqrt(_one_minus_power(self.beta_2, step)),
        )
        try:
            return super().apply(grads, trainable_variables)
        finally:
            self._corrections = None

    def update_step(self, gradient, variable, learning_rate):
        first, second = self.slots_of(variable)
        gradient = self.with_l2(gradient, variable)
        self.assign_add(first, (gradient - first) * (1 - self.beta_1))
        self.assign_add(
            second, (ops.square(gradient) - second) * (1 - self.beta_2)
        )
        of_first, of_root = self._corrections
        rate = ops.cast(learning_rate, "float32") / of_first
        rate = ops.cast(rate, variable.dtype)
        root = ops.sqrt(second) / ops.cast(of_root, variable.dtype)
        self.assign_sub(variable, rate * first / (root + self.epsilon))


def _one_minus_power(base, exponent):
    """Returns `1 - base ** exponent` without float32's cancellation."""
    return -ops.expm1(exponent * math.log(base)) if base else 1.0


@keras.saving.register_keras_serializable(package="keras_dim")
class SGD(Optimizer):
    """Stochastic gradient descent as PyTorch computes it.

    Differs from `keras.optimizers.SGD` in that the learning rate multiplies
    the accumulated momentum. Keras multiplies each gradient by it before they
    are accumulated, which differs once the learning rate has changed.

    Args:
        learning_rate: float or schedule. Defaults to 0.01.
        momentum: float. From 0 to 1. Defaults to 0.
        nesterov: bool. Whether the momentum is Nesterov's. Defaults to False.
        l2: float. See `keras_dim.optimizers`. Defaults to 0.
        **kwargs: see `keras.optimizers.Optimizer`.
    """

    def __init__(
        self, learning_rate=0.01, momentum=0.0, nesterov=False, l2=0.0, **kwargs
    ):
        checks.between(0, 1, momentum=momentum)
        checks.at_least(0, l2=l2)
        super().__init__(learning_rate, **kwargs)
        self.momentum = momentum
        self.nesterov = nesterov
        self.l2 = l2

    def update_step(self, gradient, variable, learning_rate):
        (momentum,) = self.slots_of(variable)
        gradient = self.with_l2(gradient, variable)
        step = self.momentum * momentum + gradient
        self.assign(momentum, step)
        if self.nesterov:
            step = gradient + self.momentum * step
        self.assign_sub(variable, ops.cast(learning_rate, step.dtype) * step)


@keras.saving.register_keras_serializable(package="keras_dim")
class LARS(Optimizer):
    """Steps in proportion to the norm of each variable, for large batches.

    Published codes define the step in three ways. With
    `d = gradient + l2 * variable` and Euclidean norms of whole variables:

    * `"simclr"`: `ratio = trust * norm(variable) / norm(d)`; the momentum
      accumulates `learning_rate * ratio * d`.
    * `"byol"`: the same ratio; the momentum accumulates `ratio * d`, and is
      multiplied by the learning rate.
    * `"lightly"`, also in bolts and solo-learn: as `"byol"`, but
      `ratio = trust * norm(variable) / (norm(gradient) + l2 * norm(variable))`.

    The ratio is 1 if a norm is 0. In `"lightly"` it is also 1 if `l2` is 0, and
    0 for a variable whose gradient is 0. Excluded variables have no `l2` and a
    ratio of 1.

    Args:
        learning_rate: float or schedule. Defaults to 0.1.
        momentum: float. From 0 to 1. Defaults to 0.9.
        l2: float. The papers call it weight decay. Defaults to 1e-6.
        trust: float. The coefficient of the ratio. Defaults to 1e-3.
        definition: str. `"simclr"`, `"byol"` or `"lightly"`. Defaults to
            `"simclr"`.
        exclude: list of str. Last parts of the paths of excluded variables,
            such as `"bias"` or `"head/kernel"`. Defaults to
            `BIASES_AND_NORMS`.
        **kwargs: see `keras.optimizers.Optimizer`.

    Raises:
        ValueError: for `weight_decay`, which Keras would decouple; and, when
            it is built, for a name in `exclude` that is not among
            `BIASES_AND_NORMS` and matches no variable.

    Reference:
        - [You et al., 2017](https://arxiv.org/abs/1708.03888)
    """

    def __init__(
        self,
        learning_rate=0.1,
        momentum=0.9,
        l2=1e-6,
        trust=1e-3,
        definition="simclr",
        exclude=BIASES_AND_NORMS,
        **kwargs,
    ):
        checks.between(0, 1, momentum=momentum)
        checks.at_least(0, l2=l2)
        checks.above(0, trust=trust)
        checks.one_of(DEFINITIONS, definition=definition)
        if kwargs.get("weight_decay"):
            raise ValueError(
                "LARS adds its weight decay to the gradient: pass it as `l2`. "
                f"Received: weight_decay={kwargs['weight_decay']}"
            )
        if isinstance(exclude, str):
            raise ValueError(
                "`exclude` must be a list of names. Received: exclude="
                f"{exclude!r}"
            )
        super().__init__(learning_rate, **kwargs)
        self.momentum = momentum
        self.l2 = l2
        self.trust = trust
        self.definition = definition
        self.exclude = list(exclude)

    def build(self, variables):
        super().build(variables)
        paths = [f"/{variable.path}" for variable in variables]
        ends = tuple(f"/{name}" for name in self.exclude)
        self._is_excluded = [path.endswith(ends) for path in paths]
        for name in set(self.exclude) - set(BIASES_AND_NORMS):
            if not any(path.endswith(f"/{name}") for path in paths):
                raise ValueError(
                    f"`exclude` names {name!r}, which ends the path of no "
                    f"variable. Expected the ends of some of {paths}"
                )

    def update_step(self, gradient, variable, learning_rate):
        (momentum,) = self.slots_of(variable)
        rate = ops.cast(learning_rate, variable.dtype)
        if self._is_excluded[self._get_variable_index(variable)]:
            step = ops.cast(gradient, variable.dtype)
        else:
            step = self.with_l2(gradient, variable)
            step = step * self._ratio(gradient, step, variable)
        is_simclr = self.definition == "simclr"
        inner, outer = (rate, 1.0) if is_simclr else (1.0, rate)
        step = self.momentum * momentum + inner * step
        self.assign(momentum, step)
        self.assign_sub(variable, outer * step)

    def _ratio(self, gradient, with_l2, variable):
        norm = _norm(variable)
        if self.definition == "lightly":
            if not self.l2:
                return 1.0
            of_gradient = _norm(gradient)
            denominator = of_gradient + self.l2 * norm
            # Where the gradient is 0, `l2` does not move the variable either.
            otherwise = ops.cast(of_gradient > 0, "float32")
        else:
            of_gradient = denominator = _norm(with_l2)
            otherwise = 1.0
        is_zero = ops.logical_or(norm == 0, of_gradient == 0)
        ratio = self.trust * norm / ops.where(is_zero, 1.0, denominator)
        return ops.cast(ops.where(is_zero, otherwise, ratio), variable.dtype)


def _norm(tensor):
    return ops.sqrt(ops.sum(ops.square(ops.cast(tensor, "float32"))))
