"""The log of a run as a CSV file, with a row for each epoch."""

import csv
import io
import pathlib
import time

import keras

from keras_dim import files


class EpochLog(keras.callbacks.Callback):
    """Writes the logs of each epoch to a CSV file, with seconds and speed.

    The whole file is written each time, so that a killed run leaves whole
    rows.

    Args:
        path: path of the file.
        num_images: int. Images in an epoch.
        num_epochs_done: int. Epochs that a resumed run has done, whose rows are
            kept. Defaults to 0.
        num_images_done: int. Images of the next epoch that it has done.
            Defaults to 0.

    Raises:
        ValueError: if there is a file at `path` that is no such log.
    """

    def __init__(
        self,
        path: pathlib.Path,
        num_images: int,
        num_epochs_done: int = 0,
        num_images_done: int = 0,
    ):
        super().__init__()
        self.path = path
        self.num_images = num_images
        self.num_images_done = num_images_done
        self.rows = _read(path)[:num_epochs_done] if path.exists() else []

    def on_epoch_begin(self, epoch, logs=None):
        self._start = time.monotonic()

    def on_epoch_end(self, epoch, logs=None):
        seconds = time.monotonic() - self._start
        num_images = self.num_images - self.num_images_done
        self.num_images_done = 0
        logs = {name: float(value) for name, value in (logs or {}).items()}
        rate = {"seconds": seconds, "images_per_second": num_images / seconds}
        self.rows.append({"epoch": epoch + 1, **logs, **rate})
        # A callback of a resumed run may add a column.
        names = dict.fromkeys(name for row in self.rows for name in row)
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, names, restval="nan")
        writer.writeheader()
        writer.writerows(self.rows)
        files.write_text(self.path, text.getvalue())


def _read(path):
    try:
        with open(path, newline="", encoding="utf-8") as file:
            return [
                {
                    "epoch": int(row.pop("epoch")),
                    **{name: float(value) for name, value in row.items()},
                }
                for row in csv.DictReader(file)
            ]
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        # csv gives None or a list for rows with too few or too many values.
        raise ValueError(
            f"{path} is not the log of a run: {error!r}. Move it away to "
            "continue the run without the rows of past epochs."
        ) from error
