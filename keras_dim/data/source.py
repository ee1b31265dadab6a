"""What every source of images promises to the pipeline."""

import abc
from collections.abc import Sequence
from typing import TYPE_CHECKING

import keras
import numpy as np
from absl import logging

from keras_dim.data.order import Order

if TYPE_CHECKING:
    import tensorflow as tf


def printable(name: str) -> str:
    """Returns a name on one line: line breaks and foreign bytes escaped.

    A file's name may hold what would look like a line of ours, or what a
    terminal obeys.
    """
    return name if name.isprintable() else ascii(name)


class NoSplitError(ValueError):
    """A split was asked for that a labelled source does not have."""


def refuse_missing_split(source: "Source", split: str | None) -> None:
    """Refuses other splits than `"train"` of a source that has none.

    Scores on a "test" split that is all of the images would be those of
    training. Where there are no labels to score by, a warning is enough.

    Args:
        source: `Source`. Its images are one set.
        split: str or `None`. The split that was asked for.

    Raises:
        NoSplitError: if there are labels.
    """
    if split in (None, "", "train", "all"):
        return
    if source.has_labels:
        raise NoSplitError(
            f"{source.name} has no split {split!r}: its images are one set. "
            "Pass split=None to read all of them."
        )
    logging.warning(
        "%s has no split %r: all of its images are read.", source.name, split
    )


class Source(abc.ABC):
    """A set of images that can be read again and again in a given order.

    Every source gives its batches as a dataset of TensorFlow; one with
    `random_access` can also be read without it, which is what happens where
    Keras runs on another backend.

    Args:
        name: str. How messages call the source.
        num_images: int. Number of images. Exact where `exact`; otherwise
            images whose bodies turn out not to decode still count.
        image_shape: tuple. `(height, width, channels)` of what is delivered.
        has_labels: bool. Whether batches carry `"label"`.
        class_names: sequence of str or `None`. The name of each label.
        paths: sequence of str or `None`. The file of each index, for sources
            that have one file per image.
        exact: bool. Whether all `num_images` images are certain to decode.

    Attributes:
        skipped: list of str. The files (or places in files) that were left
            out because they are not whole images. It grows while images are
            decoded for the first time.
    """

    random_access = False
    labels: np.ndarray | None = None

    def __init__(
        self,
        name: str,
        num_images: int,
        image_shape: tuple[int, int, int],
        *,
        has_labels: bool,
        class_names: Sequence[str] | None = None,
        paths: Sequence[str] | None = None,
        exact: bool = True,
    ):
        self.name = name
        self.num_images = int(num_images)
        self.image_shape = tuple(int(size) for size in image_shape)
        self.has_labels = has_labels
        self.class_names = None if class_names is None else tuple(class_names)
        self.paths = None if paths is None else tuple(paths)
        self.exact = exact
        self.skipped: list[str] = []

    @property
    def decoded(self) -> bool:
        """Whether images can be delivered without any work on each."""
        return False

    @property
    def uses_tensorflow(self) -> bool:
        """Whether this process reads the source by `batches`, not `read`."""
        return not self.random_access or keras.backend.backend() == "tensorflow"

    def batches(
        self, order: Order, batch_size: int, drop_remainder: bool
    ) -> "tf.data.Dataset":
        """One pass over one shard of the images, in batches.

        Args:
            order: `Order`. Which images, in which order.
            batch_size: int. Images in a batch.
            drop_remainder: bool. Whether to leave out a last, smaller batch.

        Returns:
            A dataset of dicts: `"image"` uint8 `(batch, height, width,
            channels)`, `"index"` int64 `(batch,)` and, where there are
            labels, `"label"` int64 `(batch,)`.
        """
        from keras_dim.data.decoding import batches_of_rows

        return batches_of_rows(self, order, batch_size, drop_remainder)

    def image(self, row: int) -> np.ndarray | None:
        """The image at a place, for sources with `random_access`.

        Called by several threads at once.

        Args:
            row: int. From 0 to `num_images - 1`.

        Returns:
            uint8 array of `image_shape`; `None` if it cannot be decoded.
        """
        raise NotImplementedError(f"{self.name} is read as a stream.")

    def read(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """Reads images by their places, for sources with `random_access`.

        Args:
            rows: int64 array `(n,)`. Places from 0 to `num_images - 1`.

        Returns:
            dict of arrays as `batches` gives them, in the order of the rows,
            without those that cannot be decoded.
        """
        found = [(row, self.image(row)) for row in rows.tolist()]
        found = [(row, image) for row, image in found if image is not None]
        index = np.array([row for row, _ in found], np.int64)
        images = np.array([image for _, image in found], np.uint8)
        batch = {
            "image": images.reshape(len(found), *self.image_shape),
            "index": index,
        }
        if self.has_labels:
            batch["label"] = self.labels[index]
        return batch

    @abc.abstractmethod
    def contents(self) -> str:
        """Tells the images from others of the same name and number.

        It is equal wherever the same images are read. Of files it holds the
        names and sizes, not the bytes.
        """

    def report(self, row: int) -> None:
        """Notes that the image at a place cannot be decoded."""
        self.skip(f"image {row}", "it cannot be decoded")

    def skip(self, place: str, reason: str) -> None:
        """Notes that the image at `place` is left out; logs it once."""
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

    def __repr__(self) -> str:
        shape = "x".join(map(str, self.image_shape))
        return f"<Source {self.name}: {self.num_images} images of {shape}>"
