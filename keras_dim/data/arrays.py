"""Images that lie in an array, in memory or mapped from a file."""

import hashlib
import pathlib
from typing import Any

import numpy as np

from keras_dim.data import numpy_images
from keras_dim.data.image_shape import choose_channels
from keras_dim.data.image_shape import parse_image_size
from keras_dim.data.source import Source
from keras_dim.data.source import refuse_missing_split

_IMAGE_KEYS = ("images", "image", "x", "data", "arr_0")
_LABEL_KEYS = ("labels", "label", "y", "target", "arr_1")
# What other splits than the one asked for may be called in an npz file.
_SPLITS = ("train", "test", "validation", "val")
# Of an array, read at a time for its checksum.
_BLOCK_BYTES = 2**24


class ArraySource(Source):
    """Images in an array.

    Args:
        name: str. How messages call the source.
        images: uint8 array `(num_images, height, width, channels)`, also a
            memory-mapped one, of which only the batches are read.
        labels: int64 array `(num_images,)` or `None`.
        image_shape: tuple or `None`. What to deliver, if not the images' own
            shape.
        index: int64 array `(num_images,)` or `None`. The images' indices, if
            not their places.
        class_names: sequence of str or `None`.
        paths: sequence of str or `None`.
    """

    random_access = True

    def __init__(
        self,
        name,
        images,
        labels=None,
        *,
        image_shape=None,
        index=None,
        class_names=None,
        paths=None,
    ):
        super().__init__(
            name,
            len(images),
            images.shape[1:] if image_shape is None else image_shape,
            has_labels=labels is not None,
            class_names=class_names,
            paths=paths,
        )
        self.labels = labels
        self.images = images
        self.index = index

    @property
    def decoded(self) -> bool:
        return self.images.shape[1:] == self.image_shape

    def image(self, row: int) -> np.ndarray:
        image = np.asarray(self.images[row])
        return numpy_images.convert(image, self.image_shape, resize=True)

    def read(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        if not self.decoded:
            return super().read(rows)
        batch = {
            "image": np.asarray(self.images[rows]),
            "index": rows if self.index is None else self.index[rows],
        }
        if self.has_labels:
            batch["label"] = self.labels[rows]
        return batch

    def contents(self) -> str:
        digest = hashlib.sha256(f"{self.images.shape}\n".encode())
        # In blocks: a mapped array need not fit into memory.
        step = max(1, _BLOCK_BYTES // self.images[0].nbytes)
        for begin in range(0, self.num_images, step):
            digest.update(
                np.ascontiguousarray(self.images[begin : begin + step])
            )
        if self.has_labels:
            digest.update(np.ascontiguousarray(self.labels))
        return f"sha256 {digest.hexdigest()}"


def open_arrays(
    arrays: Any,
    *,
    image_size: Any = None,
    channels: int | None = None,
    name: str = "the arrays",
) -> ArraySource:
    """Opens an array of images, alone or as a pair with labels.

    Args:
        arrays: array `(n, height, width)` or `(n, height, width, channels)`
            of uint8, or a list of arrays of one image each, or a pair of
            either and `(n,)` integer labels.
        image_size: int, `(height, width)` or `None`.
        channels: int or `None`.
        name: str. How messages call the arrays.
    """
    images, labels = arrays, None
    if isinstance(arrays, tuple | list):
        if len(arrays) == 2 and np.ndim(arrays[0]) != np.ndim(arrays[1]):
            images, labels = arrays
        elif len(arrays) == 2 and np.ndim(arrays[0]) == 4:
            images, labels = arrays
        else:
            images = _stacked(arrays, name)
    images = _checked_images(images, name)
    if labels is not None:
        labels = _checked_labels(labels, len(images), name)
    size = parse_image_size(image_size) or images.shape[1:3]
    channels = choose_channels(images.shape[-1], channels, name)
    return ArraySource(name, images, labels, image_shape=(*size, channels))


def open_array_file(
    path: pathlib.Path,
    split: str | None,
    *,
    image_size: Any = None,
    channels: int | None = None,
) -> ArraySource:
    """Opens a `.npy` file of images or a `.npz` file of images and labels.

    A `.npy` file is mapped, not loaded. In a `.npz` file the images are
    called `images`, `x` or the like, perhaps with the split before or after
    (`x_train`, `test_images`), and so are the labels (`labels`, `y`).

    Args:
        path: path. The file.
        split: str or `None`. For `.npz` files that hold several splits.
        image_size: int, `(height, width)` or `None`.
        channels: int or `None`.
    """
    has_splits = False
    try:
        if path.suffix == ".npy":
            arrays = np.lib.format.open_memmap(path, mode="r")
        else:
            arrays, has_splits = _arrays_of_npz(path, split)
    except Exception as error:
        # NumPy reads headers as Python literals, and lets every error of its
        # parser through, and of zlib's; a size that was never true asks for
        # more memory than there is.
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise ValueError(
            f"Cannot read {path}: {reason} Expected plain uint8 arrays; Python "
            "objects are not loaded, because they can run code."
        ) from error
    source = open_arrays(
        arrays, image_size=image_size, channels=channels, name=str(path)
    )
    if not has_splits:
        refuse_missing_split(source, split)
    return source


def _arrays_of_npz(path, split):
    with (
        open(path, "rb") as opened,
        np.load(opened, allow_pickle=False) as file,
    ):
        keys = _find_keys(file.files, split)
        if keys is None:
            raise ValueError(
                f"there are no images of the split {split!r}, which would be "
                f"an array called images, x, images_{split} or x_{split}, but "
                f"{sorted(file.files)}."
            )
        images, labels = keys
        arrays = file[images], None if labels is None else file[labels]
        return arrays, images not in _IMAGE_KEYS


def _find_keys(keys, split):
    def first(stems, split):
        names = [
            name
            for stem in stems
            for name in (f"{stem}_{split}", f"{split}_{stem}")
        ]
        names = names if split else stems
        return next((name for name in names if name in keys), None)

    aliases = {"validation": "val", "val": "validation"}
    for wanted in (split, aliases.get(split)):
        if wanted and (images := first(_IMAGE_KEYS, wanted)):
            return images, first(_LABEL_KEYS, wanted)
    if any(first(_IMAGE_KEYS, other) for other in _SPLITS):
        return None
    images = first(_IMAGE_KEYS, None)
    return images and (images, first(_LABEL_KEYS, None))


def _checked_images(images, name):
    if not isinstance(images, np.ndarray):  # Keeps memory maps what they are.
        images = np.asarray(images)
    if images.dtype != np.uint8:
        raise ValueError(
            f"The images of {name} must be uint8 pixels from 0 to 255. "
            f"Received: {images.dtype}. Scale them to that range, then use "
            'images.astype("uint8").'
        )
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4:
        raise ValueError(
            f"The images of {name} must have the shape (n, height, width) or "
            f"(n, height, width, channels). Received: {images.shape}"
        )
    _refuse_channels_first(images.shape, name)
    if 0 in images.shape:
        raise ValueError(
            f"There is no image in {name}. Received the shape {images.shape}"
        )
    return images


def _stacked(images, name):
    """One array of a list of images."""
    shapes = sorted({np.shape(image) for image in images})
    if len(shapes) != 1:
        raise ValueError(
            f"The images of {name} must have one shape. Received a list of "
            f"{len(images)} arrays of the shapes {str(shapes[:3])[1:-1]}"
        )
    return np.stack(images)


def _refuse_channels_first(shape, name):
    # Nobody has images of four rows and as many channels as columns.
    if shape[1] <= 4 < min(shape[2:]) and shape[3] >= 8:
        raise ValueError(
            f"The images of {name} have the shape {shape}, which is channels "
            "first. Expected (n, height, width, channels): pass "
            "images.transpose(0, 2, 3, 1)."
        )


def _checked_labels(labels, num_images, name):
    labels = np.asarray(labels)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.shape != (num_images,) or labels.dtype.kind not in "iub":
        raise ValueError(
            f"The labels of {name} must be integers, one for each of the "
            f"{num_images} images. Received: {labels.dtype} of shape "
            f"{labels.shape}"
        )
    return labels.astype(np.int64)
