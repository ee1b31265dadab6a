"""How far an epoch has come, where several steps are one call."""

import keras


def steps_done(model: keras.Model, first: int, told: int) -> int:
    """Returns the steps of the epoch that are done behind an execution.

    Args:
        model: the one that is trained.
        first: int. What `on_train_batch_begin` was told: the first step.
        told: int. What `on_train_batch_end` was told: the last step or, by
            Keras 3.10 and some after it, the first one again.
    """
    return max(told + 1, first + model.steps_per_execution)
