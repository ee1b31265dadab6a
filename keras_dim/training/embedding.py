"""Writes one feature of every image of a source, in constant memory."""

import csv
import functools
import hashlib
import os
import pathlib
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from absl import logging

from keras_dim import checks
from keras_dim import data
from keras_dim import files
from keras_dim import serving
from keras_dim.data import reading
from keras_dim.training.embedding_shards import MAX_SHARDS
from keras_dim.training.embedding_shards import EmbeddingShards
from keras_dim.training.feature_stream import FeatureStream
from keras_dim.training.feature_stream import feature_stream
from keras_dim.version import __version__


def embed(
    encoder: keras.Model | serving.Client,
    source: Any,
    output: str | os.PathLike,
    feature: str | None = None,
    batch_size: int = 256,
    split: str = "train",
    report: Callable[[int, int], None] | None = None,
    *,
    num_shards: int | None = None,
    worker: int = 0,
    num_workers: int = 1,
) -> dict[str, int]:
    """Writes one feature of every image of a source, batch by batch.

    The folder holds `features.npy`, float32 `(rows, width)`, which
    `numpy.load(..., mmap_mode="r")` maps; `index.csv`, a line for each row
    with the path of its image, or the index for sources without files, and
    the label if there is one; and `skipped.csv`, the images that cannot be
    read, which have no row. Memory does not grow with the number of images.

    With `num_shards` there are such files for each shard, named like
    `features-00003-of-00064.npy`, and `read_embedding` maps them all. This
    process writes the shards `worker`, `worker + num_workers` and so on.
    Workers share nothing but the folder. Each shard is written whole or not
    at all, and the same call again skips the shards that are done. Shards
    are consecutive parts of the rows without shards, equal to them up to
    rounding. Many shards of record files want many files: each is read from
    its beginning.

    Args:
        encoder: `keras.Model`, or a `keras_dim.serving.Client` of one on a
            server. Images are resized to the size that it takes.
        source: the same as for `keras_dim.data.load`.
        output: str or path. The folder to be made. Without `num_shards` it
            is written whole or not at all.
        feature: str. Maps are flattened. Defaults to
            `encoders.default_feature(encoder)`.
        batch_size: int. Defaults to `256`.
        split: str. Defaults to `"train"`.
        report: function that is called after each batch with the number of
            images done and the number of all images of this worker.
        num_shards: int or None. Number of shards. Defaults to None, a single
            array.
        worker: int. Number of this worker, from 0. Defaults to `0`.
        num_workers: int. Number of workers. Defaults to `1`.

    Returns:
        dict. `"num_images"`, `"num_skipped"` and `"width"`. With `num_shards`
        they count what this call has written, and there are `"num_written"`
        and `"num_passed_over"`, the numbers of shards written and skipped.

    Raises:
        ValueError: if `output` exists and is not a part of the same embedding,
            of the same source, encoder and version of this package; if the
            encoder has no such feature; if the source cannot be opened.
        FileNotFoundError: if there is no such source.
        ServerError: if a server gives no features, see `keras_dim.serving`.

    Example:
    ```python
    embed(keras_dim.pretrained("deep_infomax_cifar10"), "photos", "features")
    features = numpy.load("features/features.npy", mmap_mode="r")
    ```
    """
    output = pathlib.Path(output)
    if num_shards is not None:
        checks.integers(1, MAX_SHARDS, num_shards=num_shards)
        checks.integers(1, num_workers=num_workers)
        checks.integers(0, num_workers - 1, worker=worker)
    elif (worker, num_workers) != (0, 1):
        raise ValueError(
            "Workers share the shards of an embedding: pass `num_shards`, the "
            f"same to all workers. Received: worker={worker!r}, "
            f"num_workers={num_workers!r}, num_shards=None"
        )
    else:
        files.refuse_existing(output)
    stream = feature_stream(encoder, feature, batch_size)
    feature = stream.feature
    *size, channels = stream.image_shape
    images = data.open_source(
        source,
        split,
        image_size=None if None in size else size,
        channels=channels,
    )
    total = images.num_images
    seen, taken = (
        "x".join(str(size or "?") for size in shape)
        for shape in (images.image_shape, stream.image_shape)
    )
    logging.info(f"{total:,} images {seen} -> encoder {taken} -> {feature}")
    width = stream.width(images.image_shape)
    write = functools.partial(_write, stream, images, batch_size, width)
    report = report or (lambda done, total: None)
    if num_shards is None:
        with files.atomic_folder(output) as folder:
            names = ("features.npy", "index.csv", "skipped.csv")
            paths = [folder / name for name in names]
            num_rows = write(range(total), paths, 0, lambda n: report(n, total))
            if not num_rows:
                raise ValueError(f"No image of {images.name} can be read.")
        return {
            "num_images": num_rows,
            "num_skipped": len(images.skipped),
            "width": width,
        }
    paths = os.fsencode("\0".join(images.paths or ()))
    name = images.name
    if os.path.exists(name):
        name = os.path.abspath(name)
    shards = EmbeddingShards(output, num_shards)
    shards.begin(
        {
            "keras_dim": __version__,
            "backend": keras.backend.backend(),
            "source": name,
            "split": split,
            "num_images": total,
            "image_shape": list(images.image_shape),
            "paths_sha256": images.paths and hashlib.sha256(paths).hexdigest(),
            "contents": images.contents(),
            "encoder": stream.identity(),
            "feature": feature,
            "width": width,
            "num_shards": num_shards,
        }
    )
    own = range(worker, num_shards, num_workers)
    return {"width": width, **_write_shards(write, images, shards, own, report)}


def _write_shards(write, images, shards, own, report):
    """Writes the shards that are not done; returns what was written."""
    parts = {shard: shards.rows(shard, images.num_images) for shard in own}
    total = sum(map(len, parts.values()))
    done = num_images = num_skipped = num_written = 0
    for shard, rows in parts.items():
        if not shards.is_done(shard):
            # Images that were skipped when the source was opened belong to
            # no shard: the first one lists them.
            known = len(images.skipped) if shard else 0

            def report_rows(num_rows, before=done):
                report(before + num_rows, total)

            with shards.writing(shard) as paths:
                num_rows = write(rows, paths, known, report_rows)
            num_images += num_rows
            num_skipped += len(images.skipped) - known
            num_written += 1
        shards.remove_leftovers(shard)
        done += len(rows)
        report(done, total)
    return {
        "num_images": num_images,
        "num_skipped": num_skipped,
        "num_written": num_written,
        "num_passed_over": len(parts) - num_written,
    }


def _write(
    stream: FeatureStream,
    images: data.Source,
    batch_size: int,
    width: int,
    rows: range,
    paths: Sequence[pathlib.Path],
    num_known: int,
    report: Callable[[int], None],
) -> int:
    """Writes the features of some images, and returns how many there are.

    Args:
        stream, images, batch_size, width: see `embed`.
        rows: range. The indices of the images.
        paths: of the array, of the table of its rows and of that of the
            skipped images, of which `num_known` are listed elsewhere.
        report: function that is called with the number of rows so far.
    """
    num_rows = 0
    with open(paths[0], "wb") as features, _open_csv(paths[1]) as index:
        table = csv.writer(index)
        table.writerow(_columns(images))
        _write_header(features, len(rows), width)
        for batch in stream.run(reading.batches(images, batch_size, rows)):
            values = np.ascontiguousarray(batch[stream.feature], "<f4")
            if values.shape[1] != width:
                raise ValueError(
                    f"The feature {stream.feature!r} has changed its width "
                    f"from {width} to {values.shape[1]}."
                )
            features.write(values.data)
            table.writerows(_lines(images, batch, num_rows))
            num_rows += len(values)
            report(num_rows)
        # Only now the number of readable images is known. NumPy pads headers,
        # so that another number takes no more room.
        features.seek(0)
        _write_header(features, num_rows, width)
    with _open_csv(paths[2]) as skipped:
        table = csv.writer(skipped)
        table.writerow(["path"])
        table.writerows([place] for place in images.skipped[num_known:])
    return num_rows


def _write_header(file, num_rows, width):
    header = np.lib.format.header_data_from_array_1_0(np.empty(0, "<f4"))
    header["shape"] = (num_rows, width)
    np.lib.format.write_array_header_1_0(file, header)


def _open_csv(path):
    # The name of a file need not be valid text.
    return open(
        path, "w", newline="", encoding="utf-8", errors="surrogateescape"
    )


def _columns(images):
    columns = ["row", "index" if images.paths is None else "path"]
    if images.has_labels:
        columns.append("label")
        if images.class_names is not None:
            columns.append("class")
    return columns


def _lines(images, batch, first):
    for offset, index in enumerate(batch["index"].tolist()):
        line = [first + offset]
        line.append(index if images.paths is None else images.paths[index])
        if images.has_labels:
            label = int(batch["label"][offset])
            line.append(label)
            if images.class_names is not None:
                line.append(images.class_names[label] if label >= 0 else "")
        yield line
