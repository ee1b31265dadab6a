"""Checkpoints: whole models, saved after each epoch and within long ones."""

import os
import pathlib
import re
import tempfile
import time
from typing import Any

import keras
from absl import logging
from keras import ops

from keras_dim import checks
from keras_dim import distribution
from keras_dim import files
from keras_dim import model_files
from keras_dim.training import alarms
from keras_dim.training import lost_workers
from keras_dim.training import termination

_NAME = re.compile(r"epoch_(\d{5,})(?:_step_(\d{8,}))?\.keras")
# Files that a run leaves if it is killed while it saves: temporary files of
# `files`, and those to which Keras writes weights when memory is short.
_LEFTOVERS = (".epoch_*.keras", "tmp????????")
# What a worker asks for after a step. All workers do the greatest of these.
_NOTHING, _SAVE, _STOP = 0, 1, 2


class Checkpoint(alarms.StepCallback):
    """Saves the whole model after each epoch, and keeps the latest files.

    `epoch_00002.keras` is the file after two epochs,
    `epoch_00002_step_00000040.keras` after forty more steps. Put this after
    callbacks that write logs, so that logs are never behind a checkpoint.

    Args:
        directory: str or path. Folder of the checkpoints.
        steps_per_epoch: int. After the last step of an epoch only the
            checkpoint of the whole epoch is written.
        keep: int. Number of checkpoints to keep. Defaults to 2, as the last
            one may be damaged.
        minutes: float or `None`. Within an epoch, the model is also saved
            this long after the last checkpoint. Defaults to `None`, never.
        first_step: int. See `StepCallback`. Defaults to 0.
        notice: `termination.Notice` or `None`. After SIGTERM or Ctrl-C, the
            model is saved at the next step, and `Terminated` or
            `KeyboardInterrupt` is raised.
        strategy: `tf.distribute.Strategy` or `None`. Of several workers only
            the chief saves. All of them stop if one receives a signal.

    Raises:
        NonFiniteError: in `fit`, instead of saving weights that are not finite.
    """

    def __init__(
        self,
        directory: str | os.PathLike,
        steps_per_epoch: int,
        keep: int = 2,
        minutes: float | None = None,
        first_step: int = 0,
        notice: termination.Notice | None = None,
        strategy: Any = None,
    ):
        super().__init__(first_step)
        checks.integers(1, steps_per_epoch=steps_per_epoch, keep=keep)
        checks.at_least(0, **checks.given(minutes=minutes))
        self.strategy = strategy
        self.directory = pathlib.Path(directory)
        self.steps_per_epoch = steps_per_epoch
        self.keep = keep
        self.minutes = minutes
        self.notice = notice or termination.Notice()
        self._saved_at = time.monotonic()

    def on_steps_end(self, logs):
        if self.steps.stop < self.steps_per_epoch:
            seconds = time.monotonic() - self._saved_at
            is_due = self.minutes is not None and seconds >= 60 * self.minutes
            name = f"epoch_{self.epoch:05d}_step_{self.steps.stop:08d}.keras"
            self._save_if_asked(name, _SAVE if is_due else _NOTHING)

    def on_epoch_end(self, epoch, logs=None):
        self._save_if_asked(f"epoch_{epoch + 1:05d}.keras", _SAVE)

    def _save_if_asked(self, name, asked):
        _, asked = distribution.min_max_over_workers(
            self.strategy, _STOP if self.notice.came else asked
        )
        if asked == _NOTHING:
            return
        last = self.steps.stop
        alarms.refuse_non_finite(self.model, self.epoch, range(last - 1, last))
        path = self.directory / name
        if distribution.is_chief(self.strategy):
            for pattern in _LEFTOVERS:
                for leftover in self.directory.glob(pattern):
                    leftover.unlink()
            with files.atomic_path(path) as temporary:
                self.model.save(temporary)
            for _, old in list_checkpoints(self.directory)[: -self.keep]:
                old.unlink()
        else:
            # Keras sums running means over all workers to save them.
            with tempfile.TemporaryDirectory() as folder:
                self.model.save(pathlib.Path(folder, name))
        self._saved_at = time.monotonic()
        if asked == _STOP:
            # Some schedulers kill all workers once one has ended, so each one
            # waits until the chief has written its file.
            distribution.min_max_over_workers(self.strategy, 0)
            raise self.notice.stop(path)


class RunningMeans(keras.callbacks.Callback):
    """Restores the running means of an epoch, which `fit` has reset."""

    def on_train_begin(self, logs=None):
        variables = self.model.metrics_variables
        self._means = [ops.convert_to_numpy(each) for each in variables]

    def on_epoch_begin(self, epoch, logs=None):
        variables = self.model.metrics_variables
        for variable, mean in zip(variables, self._means, strict=True):
            variable.assign(mean)


def list_checkpoints(
    directory: pathlib.Path,
) -> list[tuple[tuple[int, int], pathlib.Path]]:
    """Returns `((epochs, steps of the next epoch), path)`, the latest last."""
    return sorted(
        ((int(match[1]), int(match[2] or 0)), path)
        for path in directory.glob("epoch_*.keras")
        if (match := _NAME.fullmatch(path.name))
    )


def load_latest(
    directory: pathlib.Path,
) -> tuple[keras.Model | None, tuple[int, int]]:
    """Loads the latest checkpoint that is not damaged.

    Returns:
        The compiled model, or None if there are no checkpoints; and how many
        epochs, and steps of the next epoch, it has done.

    Raises:
        ValueError: if all checkpoints are damaged.
    """
    found = list_checkpoints(directory)
    for done, path in reversed(found):
        try:
            return model_files.load_model(path, compile=True), done
        except (OSError, ValueError) as error:
            # Workers create variables together. If one of them dies, loading
            # fails although the file is not damaged.
            if distribution.is_multi_worker() and (
                lost_workers.is_worker_lost(error.__cause__)
            ):
                raise error.__cause__ from None
            logging.warning("Skipped a damaged checkpoint: %s", error)
    if found:
        raise ValueError(
            f"None of the {len(found)} checkpoints in {directory} can be read. "
            "Delete them to start again, or choose a new folder."
        )
    return None, (0, 0)


def set_damaged_aside(directory: pathlib.Path, done: tuple[int, int]) -> None:
    """Renames checkpoints later than `done`, which would be kept otherwise."""
    for position, path in list_checkpoints(directory):
        if position > done:
            aside = path.replace(path.with_name(f"{path.name}.damaged"))
            logging.warning("The damaged checkpoint %s may be deleted", aside)
