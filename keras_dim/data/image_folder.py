"""A folder of image files, at any depth, with or without class folders."""

import os
import pathlib
from collections.abc import Iterator
from typing import TYPE_CHECKING
from typing import Any

import numpy as np
from absl import logging

from keras_dim.data import numpy_images
from keras_dim.data.image_header import IMAGE_SUFFIXES
from keras_dim.data.image_header import MAX_BYTES
from keras_dim.data.image_header import image_kind
from keras_dim.data.image_header import read_header
from keras_dim.data.image_shape import choose_channels
from keras_dim.data.image_shape import parse_image_size
from keras_dim.data.order import Order
from keras_dim.data.order import ordered_indices
from keras_dim.data.source import Source
from keras_dim.data.source import printable
from keras_dim.data.survey import Survey

if TYPE_CHECKING:
    import tensorflow as tf

# Sub-folders of these names are taken for splits, not for classes.
SPLIT_FOLDERS = ("train", "test", "validation", "val", "valid")


class ImageFolderSource(Source):
    """Images in files, read when they are needed.

    Args:
        name: str. The folder.
        paths: list of str. The files, in the order of their indices.
        image_shape: tuple. `(height, width, channels)` to be delivered.
        resize: bool. Whether the files may have other sizes.
        kinds: set of str. The formats of the files.
        labels: int64 array `(num_images,)` or `None`.
        class_names: sequence of str or `None`.
    """

    random_access = True

    def __init__(
        self, name, paths, image_shape, *, resize, kinds, labels, class_names
    ):
        super().__init__(
            name,
            len(paths),
            image_shape,
            has_labels=labels is not None,
            class_names=class_names,
            paths=paths,
            exact=False,
        )
        self._resize = resize
        self._kinds = kinds
        self._labels = labels

    def batches(
        self, order: Order, batch_size: int, drop_remainder: bool
    ) -> "tf.data.Dataset":
        import tensorflow as tf

        from keras_dim.data.decoding import decoded_images

        # As bytes: names need not be UTF-8.
        paths = tf.constant([os.fsencode(path) for path in self.paths])

        def record(index):
            found = {"index": index, "path": tf.gather(paths, index)}
            if self.has_labels:
                found["label"] = tf.gather(self._labels, index)
            return found

        indices = ordered_indices(order, self.num_images)
        records = tf.data.Dataset.from_tensor_slices(indices).map(record)
        images = decoded_images(
            records,
            lambda record: tf.io.read_file(record["path"]),
            self.image_shape,
            resize=self._resize,
            kinds=self._kinds,
            on_error=self.report,
        )
        return images.batch(batch_size, drop_remainder)

    def read(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        decoded = {row: self._decode(row) for row in rows.tolist()}
        images = [image for image in decoded.values() if image is not None]
        whole = [row for row, image in decoded.items() if image is not None]
        index = np.array(whole, np.int64)
        batch = {
            "image": np.array(images, np.uint8).reshape(
                len(images), *self.image_shape
            ),
            "index": index,
        }
        if self.has_labels:
            batch["label"] = self._labels[index]
        return batch

    def report(self, row: int) -> None:
        reason = "it cannot be decoded"
        try:
            with open(self.paths[row], "rb") as file:
                read_header(file)
        except (OSError, ValueError) as error:
            # Another file than when the folder was opened.
            reason = str(error)
        self.skip(self.paths[row], reason)

    def _decode(self, row):
        try:
            encoded = pathlib.Path(self.paths[row]).read_bytes()
            return numpy_images.convert(
                numpy_images.decode(encoded), self.image_shape, self._resize
            )
        except (OSError, ValueError):
            return None


def open_image_folder(
    folder: pathlib.Path,
    split: str,
    *,
    image_size: Any = None,
    channels: int | None = None,
) -> ImageFolderSource:
    """Opens a folder of JPEG, PNG, GIF, BMP and WebP files.

    The files may lie at any depth; what is no image and what is hidden is
    passed over, and so is, with a warning, what cannot be read and what is
    larger than `image_header` allows. A sub-folder named like the split is
    used in place of the folder. Where all images lie in two or more
    sub-folders, these are their classes. Headers are read at once, pixels
    when they are needed; the orientation tags of cameras (EXIF) are left
    alone.

    Args:
        folder: path.
        split: str.
        image_size: int, `(height, width)` or `None`, if all have one size.
        channels: int or `None`. 1 or 3; `None` is 1 where all images are
            grey, else 3.

    Raises:
        ValueError: if there is no image, or if sizes differ and there is no
            `image_size`.
    """
    size = parse_image_size(image_size)
    root = _split_folder(folder, split)
    survey = Survey(str(folder), same_size=size is None)
    paths, unreadable = _find_images(root, survey)
    if not paths:
        skipped = f" ({len(unreadable)} unreadable)" if unreadable else ""
        raise ValueError(
            f"There is no image in {root}{skipped}. Expected JPEG, PNG, GIF, "
            "BMP or WebP files, at any depth."
        )
    labels, class_names = _labels_of(paths, root, folder)
    channels = choose_channels(survey.channels, channels, str(folder))
    source = ImageFolderSource(
        str(folder),
        paths,
        (*(size or survey.size), channels),
        resize=size is not None,
        kinds=survey.kinds,
        labels=labels,
        class_names=class_names,
    )
    for path, reason in unreadable:
        source.skip(path, reason)
    return source


def _split_folder(folder, split):
    if any(sign in split for sign in "[+"):
        raise ValueError(
            "Slices and sums of splits are for tensorflow-datasets only. "
            f"Received split={split!r} for the folder {folder}."
        )
    present = [name for name in SPLIT_FOLDERS if (folder / name).is_dir()]
    if split and pathlib.PurePath(split).name == split:
        if (folder / split).is_dir():
            return folder / split
    if present:
        raise ValueError(
            f"{folder} has no sub-folder {split!r}. Its splits: "
            f"{', '.join(present)}."
        )
    return folder


def _find_images(root, survey):
    """Paths of the images below root, and (path, reason) of damaged ones."""
    paths, unreadable = [], []
    for path in _files(root):
        try:
            with open(path, "rb") as file:
                _refuse_giant(file)
                header = read_header(file)
        except (ValueError, OSError) as error:
            if _meant_as_image(path):
                unreadable.append((path, str(error)))
            continue
        survey.add(path, header)
        paths.append(path)
    return paths, unreadable


def _refuse_giant(file):
    # A file with holes takes no place on the disk, and all of it in memory.
    num_bytes = os.fstat(file.fileno()).st_size
    if num_bytes > MAX_BYTES:
        raise ValueError(
            f"it has {num_bytes:,} bytes, more than the {MAX_BYTES:,} that "
            "are read"
        )


def _meant_as_image(path):
    if path.lower().endswith(IMAGE_SUFFIXES):
        return True
    try:
        with open(path, "rb") as file:
            kind = image_kind(file.read(12))
    except OSError:
        return False
    # Two letters are too few to take a file without suffix for a BMP.
    return kind not in (None, "bmp")


def _files(root: pathlib.Path) -> Iterator[str]:
    """Visible regular files below root, in sorted order.

    Links to folders are followed, each folder is visited once: loops end.
    """
    visited = set()

    def tell(error):
        logging.warning(
            "Passed over the folder %s: %s.",
            printable(str(error.filename)),
            error.strerror,
        )

    for folder, folders, files in os.walk(root, onerror=tell, followlinks=True):
        status = os.stat(folder)
        identity = (status.st_dev, status.st_ino)
        if identity in visited:
            logging.info("Passed over %s: visited before.", folder)
            folders.clear()
            continue
        visited.add(identity)
        folders[:] = sorted(name for name in folders if name[0] != ".")
        for name in sorted(files):
            path = os.path.join(folder, name)
            # A named pipe would wait for ever; a dead link is no file.
            if name[0] != "." and os.path.isfile(path):
                yield path


def _labels_of(paths, root, folder):
    parts = [os.path.relpath(path, root).split(os.sep) for path in paths]
    if any(len(part) == 1 for part in parts):
        return None, None
    present = {part[0] for part in parts}
    if len(present) < 2:
        return None, None
    names = sorted(present | _classes_of_siblings(root, folder))
    numbers = {name: number for number, name in enumerate(names)}
    labels = np.array([numbers[part[0]] for part in parts], np.int64)
    return labels, names


def _classes_of_siblings(root, folder):
    # A class must have one number in every split, also where a split lacks
    # some class.
    if root == folder:
        return set()
    return {
        child.name
        for split in (*SPLIT_FOLDERS, root.name)
        if (folder / split).is_dir()
        for child in (folder / split).iterdir()
        if child.is_dir() and not child.name.startswith(".")
    }
