"""The labelled images that an encoder is scored on."""

import dataclasses
from collections.abc import Iterable
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_dim import batches
from keras_dim import data


class NoLabelsError(ValueError):
    """There are no labels to fit a probe to, or none to score it on."""


@dataclasses.dataclass(frozen=True)
class LabelledImages:
    """Images that probes are fitted to, and images that they are scored on.

    Each are a data set of batches, dicts with `"image"` and `"label"`. `note`
    is the end of a protocol's sentence, on how they were drawn and cut.
    """

    train: Iterable[dict[str, Any]]
    test: Iterable[dict[str, Any]]
    note: str = ""


def labelled_images(
    source: Any,
    split: str = "train",
    test_split: str | None = "test",
    *,
    image_shape: Sequence[int],
    image_size: int | Sequence[int] | None = None,
    max_train_images: int | None = None,
    batch_size: int = 256,
) -> LabelledImages:
    """Opens the labelled images that an encoder is to be scored on.

    Args:
        source: see `keras_dim.data.load`.
        split: str. The split to fit probes to. Defaults to `"train"`.
        test_split: str or None. The split to score. Defaults to `"test"`.
        image_shape: sequence of int. `(height, width, channels)` that the
            encoder takes.
        image_size: int or `(height, width)`. Size to which images are resized,
            and whose centre is cut out. Defaults to the encoder's.
        max_train_images: int or None. Number of training images to draw where
            there are more. Defaults to None, all.
        batch_size: int. Defaults to `256`.

    Raises:
        NoLabelsError: without labels, or a split of its own to score on.
        ValueError, FileNotFoundError: as `keras_dim.data.load` does.
    """
    height, width, channels = image_shape
    if image_size is None and height is not None:
        image_size = (height, width)
    if test_split is None:
        raise NoLabelsError(f"{source} has no split to score on")
    opened = []
    for part in (split, test_split):
        try:
            found = data.open_source(
                source, part, image_size=image_size, channels=channels
            )
        except data.NoSplitError as error:
            raise NoLabelsError(str(error)) from None
        if not found.has_labels:
            raise NoLabelsError(f"{source} has no labels in {part!r}")
        opened.append(found)
    train, test = (
        data.load(found, batch_size=batch_size, shuffle=False)
        for found in opened
    )
    first = [np.asarray(next(iter(part))["image"]) for part in (train, test)]
    if np.array_equal(*first):
        raise NoLabelsError(
            f"{source} has no split {test_split!r} of its own: its images "
            "are those of training"
        )
    note = ""
    total = opened[0].num_images
    if max_train_images is not None and total > max_train_images:
        rows = np.random.default_rng(0).permutation(total)[:max_train_images]
        train = _Rows(train, rows)
        drawn = f"{max_train_images:,} of {total:,} training images"
        note += f"; {drawn}, drawn with seed 0"
    rows, columns = opened[0].image_shape[:2]
    if height and (rows, columns) != (height, width):
        top, left = (rows - height) // 2, (columns - width) // 2

        def cut(batch):
            pixels = batch["image"][:, top : top + height]
            return {**batch, "image": pixels[:, :, left : left + width]}

        train, test = (batches.mapped(part, cut) for part in (train, test))
        note += f"; centre crops of {height} x {width} pixels"
    return LabelledImages(train, test, note)


class _Rows:
    """The images of some indices, in the order of their data set."""

    def __init__(self, images, rows):
        self._images = images
        self._rows = rows

    def __iter__(self):
        for batch in self._images:
            batch = {name: np.asarray(part) for name, part in batch.items()}
            # A source that has lost some images still counts their indices.
            found = np.isin(batch["index"], self._rows)
            if found.any():
                yield {name: part[found] for name, part in batch.items()}
