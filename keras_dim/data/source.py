"""The interface of a set of images."""

import abc
import contextlib
import dataclasses
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any

import numpy as np
from absl import logging

from keras_dim.data.order import Order


class NoSplitError(ValueError):
    """Raised for a split that a labelled source does not have."""


@dataclasses.dataclass(kw_only=True, eq=False, repr=False)
class Source(abc.ABC):
    """A set of images that can be read again and again.

    Args:
        name: str. Name of the source in messages.
        num_images: int. Number of images. If not `exact`, this includes
            images that may turn out to be damaged.
        image_shape: tuple. `(height, width, channels)` of the images returned.
        labels: int64 array `(num_images,)` or `None`.
        has_labels: bool. Whether batches have a `"label"`.
        class_names: sequence of str or `None`. The name of each label.
        paths: sequence of str or `None`. The file of each index, where each
            image has a file of its own.
        exact: bool. Whether every image is certain to be readable.

    Attributes:
        skipped: list of str. The files, or places in files, that were left
            out because they cannot be read. It grows while images are decoded
            for the first time.
    """

    # Whether `image` reads any image by its index; otherwise `records` reads
    # them one after the other.
    random_access = True
    # Whether `read` copies images from memory.
    decoded = False

    name: str
    num_images: int
    image_shape: tuple[int, ...]
    labels: np.ndarray | None = None
    has_labels: bool = False
    class_names: tuple[str, ...] | None = None
    paths: tuple[str, ...] | None = None
    exact: bool = False

    def __post_init__(self):
        self.skipped: list[str] = []
        self.has_labels = self.has_labels or self.labels is not None

    @abc.abstractmethod
    def image(self, item: Any) -> np.ndarray:
        """Returns an image, uint8 of `image_shape`. Threads call it at once.

        Args:
            item: int, the index; without `random_access` bytes, the file.

        Raises:
            OSError, ValueError: if the image cannot be read.
        """

    def records(self, order: Order) -> Iterator[tuple[int, int | None, bytes]]:
        """Yields index, label and file of images without `random_access`."""
        raise NotImplementedError

    def read(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """Returns the readable images of some indices, see `batch`."""
        found = []
        for row in rows.tolist():
            with contextlib.suppress(OSError, ValueError):
                found.append((row, self.label(row), self.image(row)))
        return self.batch(found)

    def label(self, row: int) -> int | None:
        """Returns the label of an index, if there are labels."""
        return None if self.labels is None else self.labels[row]

    def batch(self, images: Sequence[tuple]) -> dict[str, np.ndarray]:
        """Joins tuples of index, label and image.

        Returns:
            dict of `"image"`, uint8 `(batch, height, width, channels)`,
            `"index"`, int64 `(batch,)`, and `"label"`, int64 `(batch,)`.
        """
        pixels = np.array([image for _, _, image in images], np.uint8)
        batch = {
            "image": pixels.reshape(-1, *self.image_shape),
            "index": np.array([index for index, _, _ in images], np.int64),
        }
        if self.has_labels:
            labels = [label for _, label, _ in images]
            batch["label"] = np.array(labels, np.int64)
        return batch

    @abc.abstractmethod
    def contents(self) -> str:
        """Returns a text that differs for other images of the same name."""

    def place(self, index: int) -> str:
        """Returns how messages call an image."""
        return f"image {index}" if self.paths is None else self.paths[index]

    def skip(self, place: str, reason: str) -> None:
        """Records that an image is left out, and warns the first time."""
        if place in self.skipped:
            return
        self.skipped.append(place)
        logging.warning(
            "Skipped %s: %s (skipped so far in %s: %d).",
            printable(place),
            reason,
            self.name,
            len(self.skipped),
        )

    def check_split(self, split: str | None) -> None:
        """Refuses a split other than `"train"` of a source without splits.

        Otherwise a "test" score would be that of the training images.
        Without labels there is no score, and a warning is enough.

        Raises:
            NoSplitError: if there are labels.
        """
        if split in (None, "", "train", "all"):
            return
        if self.has_labels:
            raise NoSplitError(
                f"{self.name} has no split {split!r}: its images are one set. "
                "Pass split=None to read all of them."
            )
        logging.warning(
            "%s has no split %r: all of its images are read.", self.name, split
        )

    def __repr__(self) -> str:
        shape = "x".join(map(str, self.image_shape))
        return f"<Source {self.name}: {self.num_images} images of {shape}>"


def printable(name: str) -> str:
    """Returns a file's name on one line, with unprintable bytes escaped."""
    return name if name.isprintable() else ascii(name)
