"""A source of images as one array of features, whatever its size."""

import csv
import functools
import os
import pathlib
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from keras_dim import data
from keras_dim import evaluation
from keras_dim import files
from keras_dim import serving

FEATURES = "features.npy"
INDEX = "index.csv"
SKIPPED = "skipped.csv"


def embed(
    encoder: keras.Model | serving.Client,
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
        encoder: `keras.Model`, or the `keras_dim.serving.Client` of one that
            runs on a server. Images are resized to what it takes, here in
            either case, so that both give the same features.
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
        ServerError: if a server gives no features, see `keras_dim.serving`.

    Example:
    ```python
    embed(keras_dim.pretrained("deep_infomax_cifar10"), "photos", "features")
    features = numpy.load("features/features.npy", mmap_mode="r")
    ```
    """
    if isinstance(encoder, serving.Client):
        image_shape, stream = _of_server(encoder, feature)
    else:
        image_shape, stream = _of_model(encoder, feature, batch_size)
    height, width, channels = image_shape
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
            for batch in stream(batches):
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


def _of_model(encoder, feature, batch_size):
    """Returns what images a model takes, and what gives their features."""
    model = evaluation.feature_model(encoder, feature)
    stream = functools.partial(
        evaluation.stream,
        model,
        features=feature,
        batch_size=batch_size,
    )
    return model.inputs[0].shape[1:], stream


def _of_server(client, feature):
    """Returns the same of an encoder on a server."""
    signatures = client.metadata()
    # Older exports take the encoder's own size by the default signature.
    name = "native" if "native" in signatures else "serving_default"
    shape = client.input_shape(name)
    if feature not in signatures[name].outputs:
        raise ValueError(
            f"{client} has no feature {feature!r}. Expected one of "
            f"{sorted(signatures[name].outputs)}."
        )
    if shape is None or len(shape) != 4:
        raise ValueError(
            f"{client} must take batches of images, (batch, height, width, "
            f"channels). Received the shape: {shape}"
        )
    return shape[1:], functools.partial(_stream, client, name, feature)


def _stream(
    client: serving.Client,
    signature: str,
    feature: str,
    batches: Iterable[dict[str, Any]],
) -> Iterator[dict[str, np.ndarray]]:
    for batch in batches:
        columns = {name: np.asarray(column) for name, column in batch.items()}
        images = columns.pop("image")
        # The last batches of a folder with damaged images may be empty.
        if len(images):
            values = client.embed(images, feature, signature)
            yield {feature: values.reshape(len(images), -1), **columns}


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
