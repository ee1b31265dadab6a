"""Learning rates with a warm-up: constant, cosine or by steps."""

import dataclasses
import math
from collections.abc import Sequence

import keras
from keras import ops

from keras_dim import checks
from keras_dim import configurable

KINDS = ("constant", "cosine", "steps")
# AMDIM's: a fifth after 250 and 280 of 300 epochs.
AMDIM_BOUNDARIES = (5 / 6, 14 / 15)


@keras.saving.register_keras_serializable(package="keras_dim")
@dataclasses.dataclass(eq=False, repr=False)
class Schedule(
    configurable.ConfigurableObject,
    keras.optimizers.schedules.LearningRateSchedule,
):
    """A learning rate with a linear warm-up, constant or falling after it.

    Args:
        learning_rate: float. The highest one.
        kind: str. After the warm-up, `"constant"` stays, `"cosine"` falls
            to 0 along half a cosine, `"steps"` falls by a factor at each
            boundary. Defaults to `"constant"`.
        total_steps: int. Step at which the cosine reaches 0, the warm-up
            included. Required for `"cosine"`, and only taken there.
        warmup_steps: int. Length of the warm-up. Defaults to 0.
        boundaries: list of int. Steps, counted from 0, at which the rate
            falls. Required for `"steps"`, and only taken there.
        factor: float, at most 1. The rate is multiplied by it at each
            boundary. Defaults to 0.1.
        from_zero: bool. Whether the first step of a warm-up has the rate 0,
            as in the authors' code of SimCLR and BYOL, instead of the first of
            `warmup_steps` equal parts. Defaults to False.

    Raises:
        ValueError: for values out of these ranges, and for `total_steps` or
            `boundaries` that `kind` needs and lacks, or does not take.
    """

    learning_rate: float
    kind: str = "constant"
    total_steps: int | None = None
    warmup_steps: int = 0
    boundaries: Sequence[int] = ()
    factor: float = 0.1
    from_zero: bool = False

    def __post_init__(self):
        self.boundaries = list(self.boundaries)
        checks.above(0, learning_rate=self.learning_rate, factor=self.factor)
        checks.between(0, 1, factor=self.factor)
        checks.one_of(KINDS, kind=self.kind)
        checks.integers(0, warmup_steps=self.warmup_steps)
        for boundary in self.boundaries:
            checks.integers(0, boundaries=boundary)
        optional = checks.given(total_steps=self.total_steps)
        checks.integers(self.warmup_steps + 1, **optional)
        for name, needed_by, is_given in (
            ("total_steps", "cosine", bool(optional)),
            ("boundaries", "steps", bool(self.boundaries)),
        ):
            if is_given != (self.kind == needed_by):
                received = "with" if is_given else "without"
                raise ValueError(
                    f"The kind {needed_by!r}, and no other, takes `{name}`. "
                    f"Received: kind={self.kind!r} {received} `{name}`"
                )

    def __call__(self, step):
        step = ops.cast(step, "float32")
        rate = ops.convert_to_tensor(self.learning_rate, "float32")
        if self.kind == "cosine":
            num_steps = self.total_steps - self.warmup_steps
            progress = (step - self.warmup_steps) / num_steps
            progress = ops.clip(progress, 0.0, 1.0)
            rate = rate * (1.0 + ops.cos(math.pi * progress)) / 2.0
        for boundary in self.boundaries:
            rate = ops.where(step >= boundary, rate * self.factor, rate)
        if self.warmup_steps:
            step = step if self.from_zero else step + 1.0
            rate = rate * ops.minimum(1.0, step / self.warmup_steps)
        return rate


def constant(learning_rate, steps_per_epoch, warmup_epochs=0.0, **falling):
    """Returns a learning rate that rises for some epochs, and then stays.

    Args:
        learning_rate: float. The highest one.
        steps_per_epoch: int.
        warmup_epochs: float. Length of the linear warm-up. Defaults to 0.
        **falling: other arguments of `Schedule`.
    """
    checks.at_least(0, warmup_epochs=warmup_epochs)
    warmup_steps = round(warmup_epochs * steps_per_epoch)
    return Schedule(learning_rate, warmup_steps=warmup_steps, **falling)


def cosine(learning_rate, epochs, steps_per_epoch, warmup_epochs=0.0):
    """Returns a learning rate that falls to zero along half a cosine.

    It is 0 at the end of `epochs`; for the other arguments see `constant`.
    """
    checks.integers(1, epochs=epochs, steps_per_epoch=steps_per_epoch)
    least = round(warmup_epochs * steps_per_epoch) + 1
    total = max(epochs * steps_per_epoch, least)
    falling = {"kind": "cosine", "total_steps": total}
    return constant(learning_rate, steps_per_epoch, warmup_epochs, **falling)


def steps(
    learning_rate,
    epochs,
    steps_per_epoch,
    warmup_epochs=0.0,
    boundaries=AMDIM_BOUNDARIES,
    factor=0.2,
):
    """Returns a learning rate that falls by a factor after shares of epochs.

    Args:
        learning_rate, steps_per_epoch, warmup_epochs: see `constant`.
        epochs: int. Length of the training.
        boundaries: sequence of floats in [0, 1]. Shares of the epochs after
            which the rate falls. Defaults to AMDIM's, 5 / 6 and 14 / 15.
        factor: float. See `Schedule`. Defaults to 0.2.
    """
    for boundary in boundaries:
        checks.between(0, 1, boundaries=boundary)
    ends = [round(share * epochs) * steps_per_epoch for share in boundaries]
    falling = {"kind": "steps", "boundaries": ends, "factor": factor}
    return constant(learning_rate, steps_per_epoch, warmup_epochs, **falling)


SCHEDULES = {"constant": constant, "cosine": cosine, "steps": steps}
