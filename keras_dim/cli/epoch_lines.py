"""Prints a line for each epoch of a training, with the remaining time."""

import sys
import time

import keras

from keras_dim.cli import messages

_WIDTH = 120
_SECONDS_BETWEEN = 1.0


class EpochLines(keras.callbacks.Callback):
    """Prints the loss, its terms, images a second and the remaining time.

    On a terminal, it also shows the steps within the epoch. Lines have at most
    120 characters: the last terms are left out.
    """

    def __init__(self, num_epochs: int, batch_size: int):
        super().__init__()
        self.num_epochs = num_epochs
        self.batch_size = batch_size
        self._start = None
        self._epochs = 0

    def on_epoch_begin(self, epoch, logs=None):
        self._began = self._shown = time.monotonic()
        self._start = self._start or self._began
        self._name = f"epoch {epoch + 1}/{self.num_epochs}"

    def on_train_batch_begin(self, batch, logs=None):
        # The last execution of an epoch may have fewer steps.
        end = batch + self.model.steps_per_execution
        self._steps = min(end, self.params["steps"] or end)

    def on_train_batch_end(self, batch, logs=None):
        now = time.monotonic()
        if sys.stdout.isatty() and now - self._shown > _SECONDS_BETWEEN:
            self._shown = now
            share = f" {self._steps:,} of {self.params['steps']:,} steps"
            text = f"{self._name}{share}  {self._rate(now)}"
            print(f"\r{text:<{_WIDTH}}", end="", flush=True)

    def on_epoch_end(self, epoch, logs=None):
        now = time.monotonic()
        self._epochs += 1
        left = self.num_epochs - epoch - 1
        seconds = left * (now - self._start) / self._epochs
        end = f"  {self._rate(now)}"
        if left:
            end += f", {messages.duration(seconds)} left"
        line = self._name
        names = dict.fromkeys(["loss", *self.model.term_weights, *logs])
        for name in names:
            term = f"  {name} {logs[name]:.4g}"
            if len(line + term + end) > _WIDTH:
                break
            line += term
        line += end
        if sys.stdout.isatty():
            line = f"\r{line:<{_WIDTH}}"
        print(line, flush=True)

    def _rate(self, now):
        seconds = now - self._began
        rate = self._steps * self.batch_size / seconds
        return f"{rate:,.0f} images/s, {messages.duration(seconds)}"
