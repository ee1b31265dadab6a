"""Writes images and labels as a few files of limited size, and reads them."""

import io
import os
import pathlib

import numpy as np
from PIL import Image

SPLITS = ("train", "test")
# Bytes of the pixels in one file, before compression to nearly a half.
PART_BYTES = 55_000_000
# The longest side of a WebP image.
LONGEST = 16383


def write(source, folder, part_bytes=PART_BYTES):
    """Writes both splits of a labelled data set.

    Args:
        source: whatever `keras_dim.data.open_source` opens, such as
            `"cifar10"`, with splits `"train"` and `"test"`.
        folder: str or path. Gets `train_0_of_3.npz` and so on, and
            `test_0_of_1.npz`. They have the pixels as lossless WebP, Pillow's
            smallest format: 100 MB for CIFAR-10 instead of 184.
        part_bytes: int. Most bytes of the pixels in one file.
    """
    from keras_dim import data
    from keras_dim.data import reading

    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for split in SPLITS:
        opened = data.open_source(source, split)
        batches = list(reading.Epoch(opened, 1000).batches())
        images = np.concatenate([batch["image"] for batch in batches])
        labels = np.concatenate([batch["label"] for batch in batches])
        number = -(-images.nbytes // part_bytes)
        pairs = zip(
            np.array_split(images, number),
            np.array_split(labels, number),
            strict=True,
        )
        for part, (some, their_labels) in enumerate(pairs):
            path = folder / f"{split}_{part}_of_{number}.npz"
            np.savez(path, labels=their_labels, **pack(some))
            if not np.array_equal(unpack(np.load(path)), some):
                raise OSError(f"{path} does not hold the pixels written to it")
            print(f"{path}: {len(some)} images, {path.stat().st_size} bytes")


def pack(images):
    """Returns arrays from which `unpack` restores the images."""
    number, height, width, _ = images.shape
    blocks = []
    for first in range(0, number, LONGEST // height):
        some = images[first : first + LONGEST // height]
        file = io.BytesIO()
        tall = Image.fromarray(some.reshape(-1, width, 3))
        tall.save(file, "WEBP", lossless=True, quality=50, method=3)
        blocks.append(np.frombuffer(file.getvalue(), np.uint8))
    return {
        "webp": np.concatenate(blocks),
        "ends": np.cumsum([len(block) for block in blocks]),
        "height": np.array(height),
    }


def unpack(file):
    """Returns the images `(number, height, width, 3)` from packed arrays."""
    height, images = int(file["height"]), []
    for block in np.split(file["webp"], file["ends"][:-1]):
        tall = np.asarray(Image.open(io.BytesIO(block.tobytes())))
        images.append(tall.reshape(-1, height, *tall.shape[1:]))
    return np.concatenate(images)


def read(path):
    """Returns a pair of images and labels for each split.

    Args:
        path: str or path. A folder that `write` made, or an `.npz` file with
            `train_images`, `train_labels`, `test_images` and `test_labels`.

    Raises:
        ValueError: for a split that is missing, and for images that are not
            uint8 `(number, height, width, 3)` with a label each.
    """
    path = pathlib.Path(path)
    found = {}
    for split in SPLITS:
        if path.is_dir():
            parts = _parts(path, split)
            parts = [np.load(part) for part in parts]
            images = np.concatenate([unpack(part) for part in parts])
            labels = np.concatenate([part["labels"] for part in parts])
        else:
            file = np.load(path)
            images, labels = file[f"{split}_images"], file[f"{split}_labels"]
        if images.dtype != np.uint8 or images.ndim != 4 or not len(images):
            raise ValueError(
                f"Images are uint8 (number, height, width, channels). Received "
                f"{images.dtype} {images.shape} in {os.fspath(path)}"
            )
        if labels.shape != images.shape[:1]:
            raise ValueError(
                f"{len(images)} images have labels {labels.shape} in "
                f"{os.fspath(path)}"
            )
        found[split] = images, labels.astype("int32")
    return found


def _parts(folder, split):
    """Returns the paths of all parts of a split, in order."""
    found = list(folder.glob(f"{split}_*_of_*.npz"))
    if not found:
        raise ValueError(f"There is no {split}_0_of_*.npz in {folder}")
    number = max(int(path.stem.rpartition("_")[2]) for path in found)
    paths = [folder / f"{split}_{n}_of_{number}.npz" for n in range(number)]
    if set(found) != set(paths):
        raise ValueError(
            f"{folder} does not hold one whole set of {split} images: "
            f"{sorted(path.name for path in found)}"
        )
    return paths
