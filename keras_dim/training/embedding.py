"""A source of images as one array of features, whatever its size."""

import csv
import os
import pathlib
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_dim import data
from keras_dim import evaluation
from keras_dim import files

FEATURES = "features.npy"
INDEX = "index.csv"
SKIPPED = "skipped.csv"


def embed(
    encoder: keras.Model,
    source: Any,
    output: str | os.PathLike,
    feature: str = "global",
    batch_size: int = 256,
    split: str = "train",
    report: Callable[[int, int], None] | None = None,
) -> dict[str, int]:
    """Writes one feature of every image of a source, batch by batch.

    The folder holds `features.npy`, float32 `(rows, width)`, which
    `numpy.load(..., mmap_mode="r")` maps; `index.csv`, a line for each row
    with its path, or its index where images are no files, and its label where
    there are any; and `skipped.csv`, the images that cannot be read, which
    are not among the rows. Memory does not grow with the number of images.

    Args:
        encoder: `keras.Model`. Images are resized to what it takes.
        source: what `keras_dim.data.load` takes.
        output: str or path. The folder to be made. It comes to be whole or
            not at all.
        feature: str. Maps are flattened. Defaults to `"global"`.
        batch_size: int. Defaults to `256`.
        split: str. Defaults to `"train"`; a folder without sub-folders named
            like splits is taken whole.
        report: function of the images done and all of them, called after
            each batch.

    Returns:
        dict. `"num_images"`, `"num_skipped"` and `"width"`.

    Raises:
        ValueError: if there is something at `output` already, if the encoder
            has no such feature, or if the source cannot be opened.
        FileNotFoundError: if there is no such source.

    Example:
    ```python
    embed(keras_dim.pretrained("deep_infomax_cifar10"), "photos", "features")
    features = numpy.load("features/features.npy", mmap_mode="r")
    ```
    """
    encoder = evaluation.feature_model(encoder, feature)
    height, width, channels = encoder.inputs[0].shape[1:]
    with files.atomic_folder(output) as folder:
        images = data.open_source(
            source,
            split,
            image_size=None if height is None else (height, width),
            channels=channels,
        )
        batches = data.load(images, split, batch_size, shuffle=False)
        num_images = width = 0
        with (
            open(folder / FEATURES, "wb") as features,
            _open_csv(folder / INDEX) as index,
        ):
            rows = csv.writer(index)
            rows.writerow(_columns(images))
            for batch in evaluation.stream(
                encoder, batches, feature, batch_size
            ):
                values = np.ascontiguousarray(batch[feature], "<f4")
                if not num_images:
                    width = values.shape[1]
                    start = _write_header(features, images.num_images, width)
                features.write(values.data)
                rows.writerows(_rows(images, batch, num_images))
                num_images += len(values)
                if report:
                    report(num_images, images.num_images)
            if not num_images:
                raise ValueError(f"No image of {source} can be read.")
            # Only now it is known how many of the images could be read.
            features.seek(0)
            if _write_header(features, num_images, width) != start:
                raise RuntimeError("The header of the array has grown.")
        with _open_csv(folder / SKIPPED) as skipped:
            rows = csv.writer(skipped)
            rows.writerow(["path"])
            rows.writerows([place] for place in images.skipped)
    return {
        "num_images": num_images,
        "num_skipped": len(images.skipped),
        "width": width,
    }


def _write_header(file, num_images, width):
    """Writes what makes the bytes that follow an array; returns its length.

    NumPy leaves room in it for the first axis to grow.
    """
    np.lib.format.write_array_header_1_0(
        file,
        {"descr": "<f4", "fortran_order": False, "shape": (num_images, width)},
    )
    return file.tell()


def _open_csv(path: pathlib.Path):
    # Names of files need not be text.
    return open(
        path, "w", newline="", encoding="utf-8", errors="surrogateescape"
    )


def _columns(images):
    columns = ["row", "index" if images.paths is None else "path"]
    if images.has_labels:
        columns.append("label")
    if images.has_labels and images.class_names is not None:
        columns.append("class")
    return columns


def _rows(images, batch, first):
    for offset, index in enumerate(batch["index"].tolist()):
        row = [first + offset]
        row.append(index if images.paths is None else images.paths[index])
        if images.has_labels:
            label = int(batch["label"][offset])
            row.append(label)
            if images.class_names is not None:
                row.append(images.class_names[label] if label >= 0 else "")
        yield row
