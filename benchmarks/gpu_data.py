"""Images and labels as a few files of limited size."""

import os
import pathlib

import numpy as np

SPLITS = ("train", "test")
# Of the images in one file, which compression makes a little smaller.
PART_BYTES = 50_000_000


def write(source, folder, part_bytes=PART_BYTES):
    """Writes both splits of a labelled data set.

    Args:
        source: whatever `keras_dim.data.open_source` opens, such as
            `"cifar10"`, with splits `"train"` and `"test"`.
        folder: str or path. Gets `train_0.npz`, `train_1.npz` and so on,
            and `test_0.npz`, each with `images`, uint8, and `labels`.
        part_bytes: int. Most bytes of the images in one file.
    """
    from keras_dim import data
    from keras_dim.data import reading

    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for split in SPLITS:
        opened = data.open_source(source, split)
        batches = list(reading.batches(opened, 1000))
        images = np.concatenate([batch["image"] for batch in batches])
        labels = np.concatenate([batch["label"] for batch in batches])
        number = -(-images.nbytes // part_bytes)
        pairs = zip(
            np.array_split(images, number),
            np.array_split(labels, number),
            strict=True,
        )
        for part, (some, their_labels) in enumerate(pairs):
            path = folder / f"{split}_{part}.npz"
            np.savez_compressed(path, images=some, labels=their_labels)
            print(f"{path}: {len(some)} images, {path.stat().st_size} bytes")


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
            parts = sorted(
                path.glob(f"{split}_*.npz"),
                key=lambda part: int(part.stem.rpartition("_")[2]),
            )
            loaded = [np.load(part) for part in parts]
            names = "images", "labels"
        else:
            loaded = [np.load(path)]
            names = f"{split}_images", f"{split}_labels"
        if not loaded:
            raise ValueError(f"There is no {split}_0.npz in {path}")
        images, labels = (
            np.concatenate([part[name] for part in loaded]) for name in names
        )
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
