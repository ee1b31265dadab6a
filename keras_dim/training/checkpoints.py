"""A run's way back: whole models, one an epoch, or more of long ones."""

import os
import pathlib
import re
import tempfile
import time
from typing import Any

import keras
from keras import ops

from keras_dim import checks
from keras_dim import distribution
from keras_dim import files
from keras_dim import model_files
from keras_dim.training import alarms
from keras_dim.training import executions
from keras_dim.training import termination

NAME = re.compile(r"epoch_(\d{5,})(?:_step_(\d{8,}))?\.keras")
# What a run leaves that is killed while it saves: our temporary files, and
# those that Keras writes weights to where memory is short.
LEFTOVERS = (".epoch_*.keras", "tmp????????")
# What is added to the name of one that could not be loaded.
DAMAGED = ".damaged"
# How urgent it is, when several workers ask each other.
_SAVE, _STOP = 1, 2


class Checkpoint(keras.callbacks.Callback):
    """Saves the whole model after each epoch, and keeps the latest.

    The name says what is done: `epoch_00002.keras` two epochs,
    `epoch_00002_step_00000040.keras` forty steps of the third one, too.

    Put it behind the callbacks that write logs: what is saved is then never
    ahead of them. A model with weights that are not finite is not saved.

    Args:
        directory: str or path. Folder of the checkpoints.
        steps: int. Steps to an epoch. Behind its last step an epoch is saved
            as a whole one, once its logs are written.
        keep: int. How many are kept. Defaults to 2: should the last one be
            damaged, there is the one before it.
        minutes: float or `None`. Within an epoch, too, it is saved so long
            after the last time. Defaults to `None`, after epochs alone.
        first_step: int. Steps of the first epoch that were done before.
            Defaults to 0.
        sigterm: `termination.Notice` or `None`. Once it has come, the model
            is saved at the next step, and `termination.Terminated` raised.
            Defaults to `None`.
        strategy: `tf.distribute.Strategy` or `None`. Of several workers the
            chief alone saves; what one of them has noticed, all act on.
            Defaults to `None`.

    Raises:
        ValueError: for fewer than one step or one checkpoint to keep, and for
            negative minutes.
        NonFiniteError: in training, in place of saving what is lost.
    """

    def __init__(
        self,
        directory: str | os.PathLike,
        steps: int,
        keep: int = 2,
        minutes: float | None = None,
        first_step: int = 0,
        sigterm: termination.Notice | None = None,
        strategy: Any = None,
    ):
        super().__init__()
        checks.at_least(1, steps=steps, keep=keep)
        if minutes is not None:
            checks.at_least(0, minutes=minutes)
        self.strategy = strategy
        self.directory = pathlib.Path(directory)
        self.steps = steps
        self.keep = keep
        self.minutes = minutes
        self.first_step = first_step
        self.sigterm = sigterm or termination.Notice()
        self._epoch = self._done_before = self._first = 0
        self._saved_at = time.monotonic()

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch = epoch
        self._done_before, self.first_step = self.first_step, 0

    def on_train_batch_begin(self, batch, logs=None):
        self._first = batch

    def on_train_batch_end(self, batch, logs=None):
        done = executions.steps_done(self.model, self._first, batch)
        step = self._done_before + done
        seconds = time.monotonic() - self._saved_at
        is_due = self.minutes is not None and seconds >= 60 * self.minutes
        if step < self.steps:
            wanted = self._most_urgent(is_due)
            if wanted:
                last = range(step - 1, step)
                alarms.refuse_non_finite(self.model, self._epoch, last)
                name = f"epoch_{self._epoch:05d}_step_{step:08d}.keras"
                self._save(name, wanted == _STOP)

    def on_epoch_end(self, epoch, logs=None):
        last = range(self.steps - 1, self.steps)
        alarms.refuse_non_finite(self.model, epoch, last)
        stops = self._most_urgent(False) == _STOP
        self._save(f"epoch_{epoch + 1:05d}.keras", stops)

    def _most_urgent(self, is_due):
        """Returns what the workers want, `_STOP`, `_SAVE` or 0."""
        own = _STOP if self.sigterm.came else _SAVE if is_due else 0
        return distribution.agree(self.strategy, own)[1]

    def _save(self, name, stops):
        path = self.directory / name
        if distribution.is_chief(self.strategy):
            for pattern in LEFTOVERS:
                for leftover in self.directory.glob(pattern):
                    leftover.unlink()
            with files.atomic_path(path) as temporary:
                self.model.save(temporary)
            for _, old in list_checkpoints(self.directory)[: -self.keep]:
                old.unlink()
        else:
            # To read running means is to add up those of all workers: each of
            # them must.
            with tempfile.TemporaryDirectory() as folder:
                self.model.save(pathlib.Path(folder, name))
        self._saved_at = time.monotonic()
        if stops:
            # Some schedulers kill all once one has ended, and the chief may
            # still be writing: each waits for the others.
            distribution.agree(self.strategy, 0)
            raise termination.Terminated(path)


class RunningMeans(keras.callbacks.Callback):
    """Goes on with the means of an epoch's logs, which Keras begins anew.

    For the first epoch of a model that was saved within it: those are the
    means that were saved with it.
    """

    def __init__(self):
        super().__init__()
        self._means = None

    def on_train_begin(self, logs=None):
        self._means = [
            ops.convert_to_numpy(part) for part in self.model.metrics_variables
        ]

    def on_epoch_begin(self, epoch, logs=None):
        if self._means is not None:
            for part, mean in zip(
                self.model.metrics_variables, self._means, strict=True
            ):
                part.assign(mean)
            self._means = None


def list_checkpoints(
    directory: pathlib.Path,
) -> list[tuple[tuple[int, int], pathlib.Path]]:
    """Returns `((epochs, steps of the next one), path)`, the latest last."""
    found = []
    for path in directory.glob("epoch_*.keras"):
        match = NAME.fullmatch(path.name)
        if match:
            found.append(((int(match[1]), int(match[2] or 0)), path))
    return sorted(found)


def put_aside_later(
    directory: pathlib.Path, done: tuple[int, int]
) -> list[pathlib.Path]:
    """Renames the checkpoints behind one, so that they take no place of it.

    Args:
        directory: path. Folder of the checkpoints.
        done: epochs, and steps of the next one, of the one that was loaded.

    Returns:
        list of paths. The new names, which `list_checkpoints` passes over.
    """
    renamed = []
    for when, path in list_checkpoints(directory):
        if when > done:
            renamed.append(path.replace(path.with_name(path.name + DAMAGED)))
    return renamed


def load_checkpoint(path: pathlib.Path) -> keras.Model:
    """Loads a checkpoint whose every byte is what was written.

    Raises:
        ValueError: if it is not.
    """
    return model_files.load_model(path, compile=True)
