"""A run's way back: whole models, one an epoch."""

import pathlib
import re
import zipfile
import zlib

import keras

from keras_dim import files

NAME = re.compile(r"epoch_(\d{5})\.keras")
# What reading a file ends with that is cut short or has changed bytes.
DAMAGES = (
    EOFError,
    KeyError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    zipfile.BadZipFile,
    zlib.error,
)


class Checkpoint(keras.callbacks.Callback):
    """Saves the whole model after each epoch, and keeps the latest.

    Put it behind the callbacks that write logs: what is saved is then never
    ahead of them.

    Args:
        directory: path. Folder of the checkpoints.
        keep: int. How many are kept. Defaults to 2: should the last one be
            damaged, there is the one before it.
    """

    def __init__(self, directory: pathlib.Path, keep: int = 2):
        super().__init__()
        self.directory = directory
        self.keep = keep

    def on_epoch_end(self, epoch, logs=None):
        for leftover in self.directory.glob(".epoch_*.keras"):
            # Of a run that was killed while it saved.
            leftover.unlink()
        path = self.directory / f"epoch_{epoch + 1:05d}.keras"
        with files.atomic_path(path) as temporary:
            self.model.save(temporary)
        for _, old in list_checkpoints(self.directory)[: -self.keep]:
            old.unlink()


def list_checkpoints(directory: pathlib.Path) -> list[tuple[int, pathlib.Path]]:
    """Returns `(epochs done, path)` of all checkpoints, the latest last."""
    found = []
    for path in directory.glob("epoch_*.keras"):
        match = NAME.fullmatch(path.name)
        if match:
            found.append((int(match[1]), path))
    return sorted(found)


def load_checkpoint(path: pathlib.Path) -> keras.Model:
    """Loads a checkpoint whose every byte is what was written.

    Raises:
        One of `DAMAGES`, if it is not.
    """
    # Keras reads the weights without looking at their checksum.
    with zipfile.ZipFile(path) as file:
        damaged = file.testzip()
    if damaged is not None:
        raise ValueError(f"{damaged} in it has changed.")
    return keras.models.load_model(path)
