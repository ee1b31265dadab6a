"""Learning rates by name, in epochs."""

from keras_dim import checks
from keras_dim.optimizers import Schedule

# AMDIM's: a fifth after 250 and 280 of 300 epochs.
AMDIM_BOUNDARIES = (5 / 6, 14 / 15)


def constant(learning_rate, steps_per_epoch, warmup_epochs=0.0):
    """Returns a learning rate that rises for some epochs, and then stays."""
    warmup = _steps(warmup_epochs, steps_per_epoch)
    return Schedule(learning_rate, warmup_steps=warmup)


def cosine(learning_rate, epochs, steps_per_epoch, warmup_epochs=0.0):
    """Returns a learning rate that falls to zero along half a cosine."""
    warmup = _steps(warmup_epochs, steps_per_epoch)
    total = max(epochs * steps_per_epoch, warmup + 1)
    return Schedule(
        learning_rate, "cosine", total_steps=total, warmup_steps=warmup
    )


def steps(
    learning_rate,
    epochs,
    steps_per_epoch,
    warmup_epochs=0.0,
    boundaries=AMDIM_BOUNDARIES,
    factor=0.2,
):
    """Returns a learning rate that falls by a factor after shares of epochs."""
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
