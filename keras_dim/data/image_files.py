"""Images in files: a folder, with or without classes and splits, or a list."""

import hashlib
import os
import pathlib
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any

import numpy as np
from absl import logging

from keras_dim.data import numpy_images
from keras_dim.data.image_header import MAX_BYTES
from keras_dim.data.image_header import is_meant_as_image
from keras_dim.data.image_header import read_header
from keras_dim.data.image_shape import Survey
from keras_dim.data.source import Source
from keras_dim.data.source import printable
from keras_dim.data.source import refuse_missing_split

# Sub-folders of these names, however they are capitalised, are splits.
_SPLITS = {
    "train": "train",
    "training": "train",
    "test": "test",
    "testing": "test",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
}


class ImageFileSource(Source):
    """Images in files, read when they are needed.

    Args:
        name: str. The folder.
        paths: list of str. The files, in the order of their indices.
        image_shape: tuple. `(height, width, channels)` to be delivered.
        num_bytes: list of int. The sizes of the files.
        resize: bool. Whether the files may have other sizes.
        orient: bool. Whether images are turned as their EXIF says.
        labels: int64 array `(num_images,)` or `None`.
        class_names: sequence of str or `None`.
    """

    random_access = True

    def __init__(
        self,
        name,
        paths,
        image_shape,
        *,
        num_bytes,
        resize,
        orient,
        labels,
        class_names,
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
        self._num_bytes = num_bytes
        self._resize = resize
        self._orient = orient
        self.labels = labels

    def image(self, row: int) -> np.ndarray | None:
        try:
            encoded = pathlib.Path(self.paths[row]).read_bytes()
            return numpy_images.decode_as(
                encoded, self.image_shape, self._resize, self._orient
            )
        except (OSError, ValueError):
            return None

    def contents(self) -> str:
        # Not of the bytes themselves, which would have to be read.
        names = map(os.path.basename, self.paths)
        return digest_of_files(zip(names, self._num_bytes, strict=True))

    def report(self, row: int) -> None:
        reason = "it cannot be decoded"
        try:
            with open(self.paths[row], "rb") as file:
                read_header(file, self.paths[row])
        except (OSError, ValueError) as error:
            # Another file than when the folder was opened.
            reason = str(error)
        self.skip(self.paths[row], reason)


def digest_of_files(facts: Iterator[tuple]) -> str:
    """A digest of the names and sizes of files, such as `contents` gives."""
    lines = "".join(f"{' '.join(map(str, fact))}\n" for fact in facts)
    digest = hashlib.sha256(os.fsencode(lines)).hexdigest()
    return f"sha256 {digest} of names and sizes"


def open_image_files(
    paths: Sequence[str],
    name: str,
    *,
    image_size: Any = None,
    channels: int | None = None,
    orient: bool = True,
    labels_of: Callable[[list[str]], tuple] = lambda paths: (None, None),
) -> ImageFileSource:
    """Opens image files, in the order of the list.

    Headers are read at once, pixels when they are needed. Files that cannot
    be read are skipped with the reason.

    Args:
        paths: sequence of str.
        name: str. How messages call the files.
        image_size: int, `(height, width)` or `None`, if all have one size.
        channels: int or `None`. 1 or 3; `None` is 1 where all images are
            grey, else 3.
        orient: bool. Whether to turn images as their EXIF orientation says.
        labels_of: function of the paths of whole images that returns their
            labels and the names of the classes. By default there are none.

    Raises:
        ValueError: if there is no image, or if sizes differ and there is no
            `image_size`.
    """
    survey = Survey(name, image_size, orient)
    whole, num_bytes, unreadable = [], [], []
    for path in paths:
        try:
            with open(path, "rb") as file:
                size = _checked_bytes(file)
                header = read_header(file, path)
        except (ValueError, OSError) as error:
            unreadable.append((path, str(error)))
            continue
        survey.add(path, header, pathlib.Path(path).read_bytes)
        whole.append(path)
        num_bytes.append(size)
    if not whole:
        skipped = ""
        if unreadable:
            path, reason = unreadable[0]
            skipped = (
                f" ({len(unreadable)} unreadable, the first: "
                f"{printable(os.path.basename(path))}: {reason})"
            )
        raise ValueError(
            f"There is no image in {name}{skipped}. Expected files such as "
            "JPEG, PNG, WebP or TIFF, at any depth."
        )
    labels, class_names = labels_of(whole)
    source = ImageFileSource(
        name,
        whole,
        survey.image_shape(channels),
        num_bytes=num_bytes,
        resize=survey.resize,
        orient=orient,
        labels=labels,
        class_names=class_names,
    )
    for path, reason in unreadable:
        source.skip(path, reason)
    return source


def open_image_folder(
    folder: pathlib.Path, split: str | None, **options: Any
) -> ImageFileSource:
    """Opens the images of a folder, at any depth, in the order of their names.

    Hidden files and files that are no image are passed over. Sub-folders
    called like splits (`train`, `Testing`, `val`, ...) are splits if all that
    hold images are called so, or if one is a training split and one another;
    else they are classes like their neighbours. Where all images lie in two
    or more sub-folders, these are their classes.

    Args:
        folder: path.
        split: str or `None`. `None` is all images of a folder without splits.
        options: As in `open_image_files`.

    Raises:
        ValueError: if the folder does not have the split, and as
            `open_image_files` does.
    """
    root, splits = _split_folder(folder, split)
    paths = [path for path in _files(root) if is_meant_as_image(path)]
    if splits:
        stray = _images_beside(folder)
        if stray:
            logging.warning(
                "%d image(s) of %s lie beside its splits and are left out, the "
                "first: %s.",
                len(stray),
                folder,
                printable(os.path.basename(stray[0])),
            )
    source = open_image_files(
        paths,
        str(root),
        labels_of=lambda paths: _labels_of(paths, root, splits),
        **options,
    )
    if not splits:
        refuse_missing_split(source, split)
    return source


def _split_folder(folder, split):
    """The folder of a split, and all of these; without splits the folder."""
    if split and any(sign in split for sign in "[+"):
        raise ValueError(
            "Slices and sums of splits are for tensorflow-datasets only. "
            f"Received split={split!r} for the folder {folder}."
        )
    children = [
        child
        for child in sorted(folder.iterdir())
        if child.name[0] != "." and child.is_dir()
    ]
    splits = [child for child in children if child.name.lower() in _SPLITS]
    kinds = {_SPLITS[child.name.lower()] for child in splits}
    others = [
        child for child in children if child not in splits and _has_image(child)
    ]
    if others and splits and not ("train" in kinds and len(kinds) > 1):
        logging.warning(
            "The folder %s of %s is taken for a class, like %s beside it, and "
            "not for a split. Pass %s to read it alone.",
            splits[0].name,
            folder,
            printable(others[0].name),
            splits[0],
        )
        return folder, []
    named = [child for child in children if child.name == split]
    if split and (splits or split.lower() not in _SPLITS) and not named:
        kind = _SPLITS.get(split.lower())
        named = [c for c in splits if _SPLITS[c.name.lower()] == kind]
    if len(named) == 1:
        if not splits and others:
            logging.warning(
                "Of %s the folder %s alone is read, as the split of this name.",
                folder,
                split,
            )
        return named[0], splits or named
    if not splits:
        return folder, []
    raise ValueError(
        f"{folder} has no sub-folder {split!r}. Its splits: "
        f"{', '.join(child.name for child in splits)}."
    )


def _has_image(folder):
    return any(map(is_meant_as_image, _files(folder)))


def _images_beside(folder):
    return [
        entry.path
        for entry in sorted(os.scandir(folder), key=lambda entry: entry.name)
        if entry.name[0] != "."
        and entry.is_file()
        and is_meant_as_image(entry.path)
    ]


def _checked_bytes(file):
    # A file with holes takes no place on the disk, and all of it in memory.
    num_bytes = os.fstat(file.fileno()).st_size
    if num_bytes > MAX_BYTES:
        raise ValueError(
            f"it has {num_bytes:,} bytes, more than the {MAX_BYTES:,} that "
            "are read"
        )
    return num_bytes


def _files(root: pathlib.Path) -> Iterator[str]:
    """Visible regular files below root, in sorted order.

    Links to folders are followed, each folder is visited once: loops end.
    """
    visited = set()

    def warn(error):
        logging.warning(
            "Passed over the folder %s: %s.",
            printable(str(error.filename)),
            error.strerror,
        )

    for folder, folders, files in os.walk(root, onerror=warn, followlinks=True):
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


def _labels_of(paths, root, splits):
    """Labels by the first folders in the paths below root, and their names."""
    parts = [os.path.relpath(path, root).split(os.sep) for path in paths]
    present = {part[0] for part in parts if len(part) > 1}
    beside = [part[0] for part in parts if len(part) == 1]
    if len(present) < 2:
        return None, None
    if beside:
        logging.warning(
            "The images of %s get no labels, as %d lie beside its folders %s, "
            "the first: %s. Move them into a class, or away.",
            root,
            len(beside),
            ", ".join(sorted(map(printable, present))[:3]),
            printable(beside[0]),
        )
        return None, None
    if all(len(part) > 2 and part[1].lower() in _SPLITS for part in parts):
        inner, outer = parts[0][1], parts[0][0]
        raise ValueError(
            f"{root} has its splits within its classes, such as {outer}/"
            f"{inner}. Expected classes within splits: {inner}/{outer}."
        )
    # A class must have one number in every split, also where a split lacks
    # some class.
    siblings = {
        child.name
        for split in splits
        for child in split.iterdir()
        if child.is_dir() and child.name[0] != "."
    }
    names = sorted(present | siblings)
    numbers = {name: number for number, name in enumerate(names)}
    return np.array([numbers[part[0]] for part in parts], np.int64), names
