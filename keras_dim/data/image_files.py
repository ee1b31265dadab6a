"""Images in files: a folder, perhaps with classes and splits, or a list."""

import dataclasses
import os
import pathlib
from collections.abc import Iterable
from collections.abc import Iterator

import numpy as np
from absl import logging

from keras_dim import checks
from keras_dim.data.image_header import check_bytes
from keras_dim.data.image_header import read_header
from keras_dim.data.image_options import ImageOptions
from keras_dim.data.image_options import survey
from keras_dim.data.source import Source
from keras_dim.data.source import digest_of_files
from keras_dim.data.source import no_image
from keras_dim.data.source import printable
from keras_dim.data.source import readable
from keras_dim.data.stored_files import open_stored_files

# Folders of these names, in any capitalisation, are splits.
_SPLITS = {
    "train": "train",
    "training": "train",
    "test": "test",
    "testing": "test",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
}


@dataclasses.dataclass(kw_only=True, eq=False, repr=False)
class ImageFileSource(Source):
    """Images in files, decoded when they are needed."""

    options: ImageOptions

    def item(self, index: int) -> tuple[np.ndarray, int | None]:
        encoded = pathlib.Path(self.paths[index]).read_bytes()
        return self.options.decode(encoded, self.image_shape), self.label(index)

    def stored_size(self, index: int) -> tuple[int, int]:
        return _header(self.paths[index]).size(self.options.orient)

    def contents(self) -> str:
        return digest_of_files(self.paths)


def open_image_files(
    paths: Iterable[str], name: str, options: ImageOptions
) -> Source:
    """Opens image files, in their order, and reads their headers."""
    if options.is_stored:
        return open_stored_files(paths, name, options)
    found, unreadable = [], {}

    def headers():
        for path, header in readable(paths, _header, unreadable):
            found.append(path)
            yield path, header, pathlib.Path(path).read_bytes

    shape = survey(name, headers(), options)
    if shape is None:
        raise no_image(name, unreadable)
    source = ImageFileSource(
        name=name,
        num_images=len(found),
        image_shape=options.shape(shape, name),
        paths=tuple(found),
        options=options,
    )
    for path, reason in unreadable.items():
        source.skip(path, reason)
    return source


def _header(path):
    with open(path, "rb") as file:
        # A file with holes takes no room on the disk, but all of it in memory.
        check_bytes(os.fstat(file.fileno()).st_size)
        return read_header(file, path)


def open_image_folder(
    folder: pathlib.Path, split: str | None, options: ImageOptions
) -> Source:
    """Opens the images of a folder, at any depth, in the order of their names.

    Hidden files and files that are no images are ignored. Sub-folders named
    like splits (`train`, `Testing`, `val`, ...) are splits if no other
    sub-folder holds images, or if there are a training split and another one;
    otherwise they are classes like the folders beside them. Where all images
    lie in two or more sub-folders, these are their classes.
    """
    is_image = options.is_image_file
    root, splits = _split_folder(folder, split, is_image)
    stray = [
        child.name
        for child in (sorted(folder.iterdir()) if splits else ())
        # Reading a pipe would block.
        if child.name[0] != "." and child.is_file() and is_image(str(child))
    ]
    if stray:
        logging.warning(
            "%d image(s) of %s lie beside its splits and are not read, the "
            "first: %s.",
            len(stray),
            folder,
            printable(stray[0]),
        )
    paths = filter(is_image, files_below(root))
    source = open_image_files(paths, str(root), options)
    source.labels, source.class_names = _labels_of(source.paths, root, splits)
    if not splits:
        source.check_split(split)
    return source


def _split_folder(folder, split, is_image):
    """Returns the folder of a split, and the folders of all splits."""
    if split and any(sign in split for sign in "[+"):
        raise ValueError(
            "Slices and sums of splits are for tensorflow-datasets only. "
            f"Received split={split!r} for the folder {folder}."
        )
    children = _folders(folder)
    kinds = {child: _SPLITS.get(child.name.lower()) for child in children}
    kinds = {child: kind for child, kind in kinds.items() if kind}
    others = [
        child
        for child in children
        if child not in kinds and any(map(is_image, files_below(child)))
    ]
    has_splits = "train" in kinds.values() and len(set(kinds.values())) > 1
    if kinds and others and not has_splits:
        first = next(iter(kinds))
        logging.warning(
            "The folder %s of %s is read as a class, like %s beside it, not "
            "as a split. Pass %s to read it alone.",
            first.name,
            folder,
            printable(others[0].name),
            first,
        )
        return folder, []
    named = [child for child in children if child.name == split]
    if split and not named:
        kind = _SPLITS.get(split.lower())
        named = [child for child in kinds if kinds[child] == kind]
    if len(named) == 1:
        if not kinds and others:
            logging.warning(
                "Only the folder %s of %s is read, as it has the name of the "
                "split.",
                split,
                folder,
            )
        return named[0], list(kinds) or named
    if not kinds:
        return folder, []
    names = [child.name for child in kinds]
    raise ValueError(
        f"{folder} has no sub-folder {split!r}."
        f"{checks.did_you_mean(split, names)} Its splits: {', '.join(names)}."
    )


def _folders(folder):
    """Returns the visible folders in a folder, sorted by name."""
    return [
        child
        for child in sorted(folder.iterdir())
        if child.name[0] != "." and child.is_dir()
    ]


def files_below(root: pathlib.Path) -> Iterator[str]:
    """Yields the visible regular files below a folder, in sorted order.

    Links to folders are followed, each folder once, so that loops end.
    """
    visited = set()

    def warn(error):
        logging.warning(
            "Skipped the folder %s: %s.",
            printable(str(error.filename)),
            error.strerror,
        )

    for folder, folders, files in os.walk(root, onerror=warn, followlinks=True):
        status = os.stat(folder)
        identity = (status.st_dev, status.st_ino)
        if identity in visited:
            folders.clear()
            continue
        visited.add(identity)
        folders[:] = sorted(name for name in folders if name[0] != ".")
        for name in sorted(files):
            path = os.path.join(folder, name)
            # Reading a pipe would block, and dead links lead nowhere.
            if name[0] != "." and os.path.isfile(path):
                yield path


def _labels_of(paths, root, splits):
    """Returns labels by the first folder of each path, and class names."""
    parts = [os.path.relpath(path, root).split(os.sep) for path in paths]
    present = {part[0] for part in parts if len(part) > 1}
    beside = [part[0] for part in parts if len(part) == 1]
    if len(present) < 2:
        return None, None
    if beside:
        logging.warning(
            "The images of %s get no labels, as %d of them lie beside its "
            "folders %s, the first: %s. Move them into a class, or away.",
            root,
            len(beside),
            ", ".join(sorted(map(printable, present))[:3]),
            printable(beside[0]),
        )
        return None, None
    if all(len(part) > 2 and part[1].lower() in _SPLITS for part in parts):
        outer, inner = parts[0][:2]
        raise ValueError(
            f"{root} has its splits within its classes, such as {outer}/"
            f"{inner}. Expected classes within splits: {inner}/{outer}."
        )
    # The classes of all splits are counted, so that a class has the same
    # number in each of them.
    siblings = {child.name for split in splits for child in _folders(split)}
    names = tuple(sorted(present | siblings))
    numbers = {name: number for number, name in enumerate(names)}
    return np.array([numbers[part[0]] for part in parts], np.int64), names
