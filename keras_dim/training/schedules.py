"""Learning rates by name, in epochs."""

from keras_dim import checks
from keras_dim.optimizers import Schedule

# AMDIM's: a fifth after 250 and 280 of 300 epochs.
AMDIM_BOUNDARIES = (5 / 6, 14 / 15)


def constant(learning_rate, steps_per_epoch, warmup_epochs=0.0):
    """Returns a learning rate that stays after a warm-up.

    Args:
        learning_rate: float. The highest one.
        steps_per_epoch: int.
        warmup_epochs: float. Epochs over which the rate rises from zero.
            Defaults to 0.
    """
    return Schedule(
        learning_rate,
        warmup_steps=_steps(warmup_epochs, steps_per_epoch),
    )


def cosine(learning_rate, epochs, steps_per_epoch, warmup_epochs=0.0):
    """Returns a learning rate that falls to zero along half a cosine.

    Args:
        learning_rate, steps_per_epoch, warmup_epochs: see `constant`.
        epochs: int. At which epoch it is zero.
    """
    warmup_steps = _steps(warmup_epochs, steps_per_epoch)
    return Schedule(
        learning_rate,
        "cosine",
        total_steps=max(epochs * steps_per_epoch, warmup_steps + 1),
        warmup_steps=warmup_steps,
    )


def steps(
    learning_rate,
    epochs,
    steps_per_epoch,
    warmup_epochs=0.0,
    boundaries=AMDIM_BOUNDARIES,
    factor=0.2,
):
    """Returns a learning rate that falls by a factor at some epochs.

    Args:
        learning_rate, epochs, steps_per_epoch, warmup_epochs: see `cosine`.
        boundaries: list of float. Shares of the epochs after which it falls.
            Defaults to those of AMDIM.
        factor: float. Factor at each boundary. Defaults to 0.2.
    """
    for boundary in boundaries:
        checks.between(0, 1, boundaries=boundary)
    return Schedule(
        learning_rate,
        "steps",
        warmup_steps=_steps(warmup_epochs, steps_per_epoch),
        boundaries=[round(b * epochs) * steps_per_epoch for b in boundaries],
        factor=factor,
    )


def _steps(epochs, steps_per_epoch):
    checks.at_least(0, warmup_epochs=epochs)
    return round(epochs * steps_per_epoch)


SCHEDULES = {"constant": constant, "cosine": cosine, "steps": steps}
