"""Learning rates by name, in epochs."""

from keras_dim import checks
from keras_dim.optimizers import Schedule

# AMDIM's: a fifth after 250 and 280 of 300 epochs.
AMDIM_BOUNDARIES = (5 / 6, 14 / 15)


def constant(learning_rate, steps_per_epoch, warmup_epochs=0.0, **falling):
    """Returns a learning rate that rises for some epochs, and then stays."""
    checks.at_least(0, warmup_epochs=warmup_epochs)
    warmup_steps = round(warmup_epochs * steps_per_epoch)
    return Schedule(learning_rate, warmup_steps=warmup_steps, **falling)


def cosine(learning_rate, epochs, steps_per_epoch, warmup_epochs=0.0):
    """Returns a learning rate that falls to zero along half a cosine."""
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
    """Returns a learning rate that falls by a factor after shares of epochs."""
    for boundary in boundaries:
        checks.between(0, 1, boundaries=boundary)
    ends = [round(share * epochs) * steps_per_epoch for share in boundaries]
    falling = {"kind": "steps", "boundaries": ends, "factor": factor}
    return constant(learning_rate, steps_per_epoch, warmup_epochs, **falling)


SCHEDULES = {"constant": constant, "cosine": cosine, "steps": steps}
