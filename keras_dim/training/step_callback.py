"""Callbacks that know which steps of an epoch have been done."""

import keras


class StepCallback(keras.callbacks.Callback):
    """Base of callbacks that look at each step of each epoch.

    With `steps_per_execution`, Keras calls back after several steps at once.

    Args:
        first_step: int. Number of steps of the first epoch that a run had
            done before it was resumed. Defaults to 0.

    Attributes:
        epoch: int. The current epoch, from 0.
        steps: range. The steps that were done last, from 0 in each epoch.
    """

    def __init__(self, first_step: int = 0):
        super().__init__()
        self.epoch = 0
        self.steps = range(0)
        self._next_offset = first_step
        self._offset = self._first = 0

    def on_steps_end(self, logs):
        """Is called after one or several steps."""
        raise NotImplementedError

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch
        self._offset, self._next_offset = self._next_offset, 0

    def on_train_batch_begin(self, batch, logs=None):
        self._first = batch

    def on_train_batch_end(self, batch, logs=None):
        done = steps_done(self.model, self._first, batch)
        self.steps = range(self._offset + self._first, self._offset + done)
        self.on_steps_end(logs or {})


def steps_done(model: keras.Model, first: int, reported: int) -> int:
    """Returns the number of steps done after one execution.

    Args:
        model: the model that is trained.
        first: int. The argument of `on_train_batch_begin`: the first step.
        reported: int. The argument of `on_train_batch_end`: the last step
            or, in Keras 3.10 and some later releases, the first step again.
    """
    return max(reported + 1, first + model.steps_per_execution)
