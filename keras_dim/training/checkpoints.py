"""Checkpoints: whole models, saved after each epoch and within long ones."""

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
from keras_dim.training import step_callback
from keras_dim.training import termination

NAME = re.compile(r"epoch_(\d{5,})(?:_step_(\d{8,}))?\.keras")
# Left by a run that was killed while it saved: our temporary files, and those
# into which Keras writes weights when memory is short.
LEFTOVERS = (".epoch_*.keras", "tmp????????")
# Appended to the name of a checkpoint that could not be loaded.
DAMAGED = ".damaged"
# A worker's wish after a step. All do the maximum over the workers.
_NOTHING, _SAVE, _STOP = 0, 1, 2


class Checkpoint(step_callback.StepCallback):
    """Saves the whole model after each epoch, and keeps the latest.

    The name of the file tells the progress: `epoch_00002.keras` after two
    epochs, `epoch_00002_step_00000040.keras` after forty more steps.

    Put it after the callbacks that write logs, so that a checkpoint is never
    ahead of the logs. A model with weights that are not finite is not saved.

    Args:
        directory: str or path. Folder of the checkpoints.
        steps_per_epoch: int. The last step of an epoch is followed by the
            checkpoint of the whole epoch only, after its logs are written.
        keep: int. How many checkpoints are kept. Defaults to 2: if the last
            one is damaged, there is one more.
        minutes: float or `None`. Within an epoch, the model is also saved
            this long after the last checkpoint. Defaults to `None`, only
            after epochs.
        first_step: int. Number of steps of the first epoch that the run had
            done before it was resumed. Defaults to 0.
        sigterm: `termination.Notice` or `None`. After SIGTERM, the model is
            saved at the next step and `termination.Terminated` is raised.
            Defaults to `None`.
        strategy: `tf.distribute.Strategy` or `None`. Of several workers only
            the chief saves. All of them stop if one received SIGTERM.
            Defaults to `None`.

    Raises:
        ValueError: for fewer than one step or checkpoint to keep, and for
            negative minutes.
        NonFiniteError: in training, instead of saving such a model.
    """

    def __init__(
        self,
        directory: str | os.PathLike,
        steps_per_epoch: int,
        keep: int = 2,
        minutes: float | None = None,
        first_step: int = 0,
        sigterm: termination.Notice | None = None,
        strategy: Any = None,
    ):
        super().__init__(first_step)
        checks.at_least(1, steps_per_epoch=steps_per_epoch, keep=keep)
        if minutes is not None:
            checks.at_least(0, minutes=minutes)
        self.strategy = strategy
        self.directory = pathlib.Path(directory)
        self.steps_per_epoch = steps_per_epoch
        self.keep = keep
        self.minutes = minutes
        self.sigterm = sigterm or termination.Notice()
        self._saved_at = time.monotonic()

    def on_steps_end(self, logs):
        done = self.steps.stop
        if done >= self.steps_per_epoch:
            return
        seconds = time.monotonic() - self._saved_at
        is_due = self.minutes is not None and seconds >= 60 * self.minutes
        wanted = self._wanted(is_due)
        if wanted != _NOTHING:
            self._save(
                f"epoch_{self.epoch:05d}_step_{done:08d}.keras",
                stop=wanted == _STOP,
            )

    def on_epoch_end(self, epoch, logs=None):
        stop = self._wanted(False) == _STOP
        self._save(f"epoch_{epoch + 1:05d}.keras", stop)

    def _wanted(self, is_due):
        """Returns the most that any worker wants."""
        own = _STOP if self.sigterm.came else _SAVE if is_due else _NOTHING
        return distribution.min_max_over_workers(self.strategy, own)[1]

    def _save(self, name, stop):
        last = range(self.steps.stop - 1, self.steps.stop)
        alarms.refuse_non_finite(self.model, self.epoch, last)
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
            # To save running means, Keras sums them over all workers: each
            # worker has to take part.
            with tempfile.TemporaryDirectory() as folder:
                self.model.save(pathlib.Path(folder, name))
        self._saved_at = time.monotonic()
        if stop:
            # Some schedulers kill all workers once one of them has ended, so
            # each waits until the chief has written its file.
            distribution.min_max_over_workers(self.strategy, 0)
            raise termination.Terminated(path)


class RunningMeans(keras.callbacks.Callback):
    """Restores the running means of the logs in a resumed epoch.

    Keras resets them at the beginning of an epoch. The model must have been
    saved within an epoch; its means are restored in the first epoch only.
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
    """Returns `((epochs, steps of the next epoch), path)`, latest last."""
    found = []
    for path in directory.glob("epoch_*.keras"):
        match = NAME.fullmatch(path.name)
        if match:
            found.append(((int(match[1]), int(match[2] or 0)), path))
    return sorted(found)


def rename_later(
    directory: pathlib.Path, done: tuple[int, int]
) -> list[pathlib.Path]:
    """Renames all checkpoints that are later than a given one.

    They could not be loaded. Under their old names they would count among
    the checkpoints to keep, and a good one would be deleted instead.

    Args:
        directory: path. Folder of the checkpoints.
        done: tuple of two ints. Epochs, and steps of the next epoch, of the
            checkpoint that was loaded.

    Returns:
        list of paths. The new names, which `list_checkpoints` ignores.
    """
    return [
        path.replace(path.with_name(path.name + DAMAGED))
        for position, path in list_checkpoints(directory)
        if position > done
    ]


def load_checkpoint(path: pathlib.Path) -> keras.Model:
    """Loads a compiled model from a checkpoint.

    Raises:
        ValueError: if any byte of the file has changed.
    """
    return model_files.load_model(path, compile=True)
