"""The interface of a set of images."""

import abc
import concurrent.futures
import dataclasses
import functools
import hashlib
import os
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import numpy as np
from absl import logging


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
        class_names: sequence of str or `None`. The name of each label.
        paths: sequence of str or `None`. The file of each index, where each
            image has a file of its own.
        exact: bool. Whether every image is certain to be readable. Defaults to
            `False`.
        dtype: str. The type of the images: `"uint8"` or, for stored values,
            one of `batches.ranges.DTYPES`. Defaults to `"uint8"`.

    Attributes:
        skipped: list of str. The files, or places in files, that were left
            out because they cannot be read. It grows while images are decoded
            for the first time.
    """

    # Whether the images are decoded already, so that `read` only copies them.
    decoded = False

    name: str
    num_images: int
    image_shape: tuple[int, ...]
    labels: np.ndarray | None = None
    class_names: tuple[str, ...] | None = None
    paths: tuple[str, ...] | None = None
    exact: bool = False
    dtype: str = "uint8"

    def __post_init__(self):
        self.skipped: list[str] = []
        self._places_skipped: set[str] = set()

    @property
    def has_labels(self) -> bool:
        """Whether batches have a `"label"`."""
        return self.labels is not None

    @abc.abstractmethod
    def item(self, index: int) -> tuple[np.ndarray, int | None]:
        """Returns an image of `image_shape` and `dtype`, and its label if any.

        It is called by several threads at the same time.

        Raises:
            OSError, ValueError: if the image cannot be read.
        """

    def stored_size(self, index: int) -> tuple[int, int]:
        """Returns the height and width of an image before it is resized.

        Raises:
            OSError, ValueError: if its header cannot be read.
        """
        return self.image_shape[:2]

    def label(self, index: int) -> int | None:
        """Returns the label of an index, or `None` without `labels`."""
        return None if self.labels is None else self.labels[index]

    def read(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """Returns a batch, a dict as of `load`, of the images of some indices.

        They keep the order of `rows`. Images that cannot be read are left out
        and added to `skipped`.
        """
        return self.join(list(self.submit(np.asarray(rows, np.int64))))

    def submit(
        self, rows: np.ndarray
    ) -> Iterator[tuple[int, concurrent.futures.Future]]:
        """Yields indices and futures of their `item`, decoded in threads."""
        for row in rows.tolist():
            yield row, _threads().submit(self.item, row)

    def join(
        self,
        items: Iterable[tuple[int, concurrent.futures.Future]],
        most: int | None = None,
    ) -> dict[str, np.ndarray]:
        """Returns a batch of the first `most` readable images of `submit`.

        Images that cannot be read are left out and added to `skipped`.
        """
        indices, images, labels = [], [], []
        for index, future in items:
            try:
                image, label = future.result()
            except (OSError, ValueError) as error:
                self.skip(self.place(index), str(error))
                continue
            indices.append(index)
            images.append(image)
            labels.append(label)
            if len(indices) == most:
                break
        images = np.array(images, self.dtype)
        batch = {
            "image": images.reshape(-1, *self.image_shape),
            "index": np.array(indices, np.int64),
        }
        if self.has_labels:
            batch["label"] = np.array(labels, np.int64)
        return batch

    @abc.abstractmethod
    def contents(self) -> str:
        """Returns a text that differs for sources of other images."""

    def place(self, index: int) -> str:
        """Returns the name of an image in messages."""
        return f"image {index}" if self.paths is None else self.paths[index]

    def skip(self, place: str, reason: str) -> None:
        """Records that an image is left out, and warns the first time."""
        if place in self._places_skipped:
            return
        self._places_skipped.add(place)
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

        Otherwise the score of a "test" split would be that of the training
        images. A source without labels gets no score, so it only warns.

        Raises:
            NoSplitError: if the source has labels.
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


@functools.cache
def _threads():
    return concurrent.futures.ThreadPoolExecutor(
        thread_name_prefix="keras_dim_decoding"
    )


def readable(
    paths: Iterable[str],
    read_header: Callable[[str], Any],
    unreadable: dict[str, str],
) -> Iterator[tuple[str, Any]]:
    """Yields the paths of readable files, each with its header.

    Other paths are added to `unreadable`, with the reason.
    """
    for path in paths:
        try:
            header = read_header(path)
        except (OSError, ValueError) as error:
            unreadable[path] = str(error)
        else:
            yield path, header


def no_image(name: str, unreadable: Mapping[str, str]) -> ValueError:
    """Returns the error for files none of which is a readable image."""
    path, reason = next(iter(unreadable.items()), ("none", "no file"))
    return ValueError(
        f"There is no image in {name} ({len(unreadable)} unreadable, the "
        f"first: {printable(os.path.basename(path))}: {reason}). Expected "
        "image files, such as JPEG, PNG, WebP or TIFF."
    )


def digest_of_files(paths: Sequence[str], *facts: Iterable[Any]) -> str:
    """Returns a digest for `contents` of files: names, facts and sizes."""
    names, sizes = map(os.path.basename, paths), map(os.path.getsize, paths)
    digest = hashlib.sha256()
    for line in zip(names, *facts, sizes, strict=True):
        digest.update(os.fsencode(f"{' '.join(map(str, line))}\n"))
    return f"sha256 {digest.hexdigest()} of names and sizes"


def printable(name: str) -> str:
    """Returns the name of a file on one line, its unprintable parts escaped."""
    return name if name.isprintable() else ascii(name)
