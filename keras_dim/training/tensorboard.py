"""Writes the views and scores of a run for TensorBoard.

The terms, the board and all scores that callbacks add to the logs are written
by Keras's own callback.
"""

import contextlib
import pathlib
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_dim.training import run_folder


def write_views(directory: pathlib.Path, picture: Any) -> None:
    """Writes the `PIL.Image` of images and their views, at step 0."""
    with _summary(directory) as summary:
        pixels = np.asarray(picture.convert("RGB"))
        summary.image("views", pixels[None], step=0)


def write_scores(
    directory: pathlib.Path, scores: Sequence[Mapping[str, Any]], step: int
) -> None:
    """Writes scores of `evaluation.compare_with_untrained` as scalars.

    They are called `scores/<probe>_<feature>_<labels>_labels`, `..._untrained`,
    `..._raw_pixels` and, of a run from a trained encoder, `..._start`. Without
    the folder of a run's TensorBoard nothing is written.
    """
    if not (directory / run_folder.TENSORBOARD).is_dir():
        return
    names = {"accuracy": "", "untrained": "_untrained"}
    names |= {"raw_pixels": "_raw_pixels", "start": "_start"}
    with _summary(directory) as summary:
        for score in scores:
            labels = f"{score['num_train']}_labels"
            of_score = f"scores/{score['probe']}_{score['feature']}_{labels}"
            for entry in names.keys() & score.keys():
                suffix = names[entry]
                summary.scalar(of_score + suffix, score[entry], step=step)


@contextlib.contextmanager
def _summary(directory: pathlib.Path) -> Iterator[Any]:
    """Yields `tf.summary`, writing to the folder of the training's logs."""
    folder = directory / run_folder.TENSORBOARD
    summary = keras.callbacks.TensorBoard(folder).summary
    writer = summary.create_file_writer(str(folder / "train"))
    with writer.as_default():
        yield summary
    writer.close()
