"""Learning rates that warm up and fall."""

import math

import keras
from keras import ops

from keras_dim import checks
from keras_dim import configurable

KINDS = ("constant", "cosine", "steps")


@keras.saving.register_keras_serializable(package="keras_dim")
class Schedule(
    configurable.ConfigurableObject,
    keras.optimizers.schedules.LearningRateSchedule,
):
    """A learning rate that warms up linearly and then falls, or does not.

    Args:
        learning_rate: float. The highest one.
        kind: str. After the warm-up, `"constant"` stays, `"cosine"` falls
            to 0 along half a cosine, `"steps"` falls by a factor at each
            boundary. Defaults to `"constant"`.
        total_steps: int. At which step the cosine reaches 0, the warm-up
            included. Only for `"cosine"`. Defaults to None.
        warmup_steps: int. How many steps the warm-up takes. Defaults to 0.
        boundaries: list of int. Before which steps, counted from 0, the rate
            falls. Only for `"steps"`. Defaults to none.
        factor: float. What the rate is multiplied by at each boundary.
            Defaults to 0.1.
        from_zero: bool. Whether the first step of a warm-up has the rate 0,
            as in the authors' code of SimCLR and BYOL, and not that of one of
            `warmup_steps` equal parts. Defaults to False.

    Raises:
        ValueError: for arguments that the kind does not take, or needs.
    """

    def __init__(
        self,
        learning_rate,
        kind="constant",
        total_steps=None,
        warmup_steps=0,
        boundaries=(),
        factor=0.1,
        from_zero=False,
    ):
        checks.above(0, learning_rate=learning_rate)
        checks.one_of(KINDS, kind=kind)
        checks.integers(0, warmup_steps=warmup_steps)
        checks.above(0, factor=factor)
        for boundary in boundaries:
            checks.integers(0, boundaries=boundary)
        if (kind == "cosine") != (total_steps is not None):
            raise ValueError(
                "`total_steps` belongs to the kind 'cosine', and to it alone. "
                f"Received: total_steps={total_steps} with kind={kind!r}"
            )
        if total_steps is not None:
            checks.integers(warmup_steps + 1, total_steps=total_steps)
        if (kind == "steps") != bool(boundaries):
            raise ValueError(
                "`boundaries` belong to the kind 'steps', and to it alone. "
                f"Received: boundaries={boundaries} with kind={kind!r}"
            )
        self.learning_rate = learning_rate
        self.kind = kind
        self.total_steps = total_steps
        self.warmup_steps = warmup_steps
        self.boundaries = list(boundaries)
        self.factor = factor
        self.from_zero = from_zero

    def __call__(self, step):
        step = ops.cast(step, "float32")
        rate = ops.convert_to_tensor(self.learning_rate, "float32")
        if self.kind == "cosine":
            # In [0, 1], from the end of the warm-up to the last step.
            progress = ops.clip(
                (step - self.warmup_steps)
                / (self.total_steps - self.warmup_steps),
                0.0,
                1.0,
            )
            rate = rate * (1.0 + ops.cos(math.pi * progress)) / 2.0
        for boundary in self.boundaries:
            rate = ops.where(step >= boundary, rate * self.factor, rate)
        if self.warmup_steps:
            step = step if self.from_zero else step + 1.0
            rate = rate * ops.minimum(1.0, step / self.warmup_steps)
        return rate
