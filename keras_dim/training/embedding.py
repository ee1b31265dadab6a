"""A source of images as one array of features, whatever its size."""

import functools
import hashlib
import os
import pathlib
from collections.abc import Callable
from typing import Any

import keras

from keras_dim import data
from keras_dim import files
from keras_dim import serving
from keras_dim.data.reading import batches_in_order
from keras_dim.training.embedding_shards import MAX_SHARDS
from keras_dim.training.embedding_shards import EmbeddingShards
from keras_dim.training.feature_files import write_features
from keras_dim.training.feature_files import write_skipped
from keras_dim.training.feature_stream import FeatureStream
from keras_dim.version import __version__


def embed(
    encoder: keras.Model | serving.Client,
    source: Any,
    output: str | os.PathLike,
    feature: str = "global",
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
    with its path, or its index where images are no files, and its label where
    there are any; and `skipped.csv`, the images that cannot be read, which
    are not among the rows. Memory does not grow with the number of images.

    With `num_shards` there is such a file for each shard, named like
    `features-00003-of-00064.npy`, and `read_embedding` maps them all. This
    process writes the shards `worker`, `worker + num_workers` and so on; what
    starts the workers, and where, is left to others: all they share is the
    folder. Each shard comes to be whole or not at all. Whoever calls the same
    again passes over the shards that are there, so that a worker which was
    killed loses the one in hand at most; that one is begun again.

    The rows come in the order of the images' indices: of the sorted paths of
    a folder, of record after record of sorted TFRecord files, of places in an
    array. Shards are ranges of that order, of equal numbers of images to one,
    so that all shards after each other are the rows of the one array, equal
    but for the last digits of sums. A shard has fewer rows where images
    cannot be read, none where there are more shards than images. Folders and
    arrays are entered at any place; of record files the first that a shard
    needs is read from its front, so that a source of few and large ones is
    not worth many more shards than files. A source is known again by its
    name; arrays also by a checksum, for which each worker reads them once,
    record files by their names and sizes, folders by the names in them.

    Args:
        encoder: `keras.Model`, or the `keras_dim.serving.Client` of one that
            runs on a server. Images are resized to what it takes, here in
            either case, so that both give the same features.
        source: what `keras_dim.data.load` takes.
        output: str or path. The folder to be made. Without `num_shards` it
            comes to be whole or not at all.
        feature: str. Maps are flattened. Defaults to `"global"`.
        batch_size: int. Defaults to `256`.
        split: str. Defaults to `"train"`; a folder without sub-folders named
            like splits is taken whole.
        report: function of the images done and all of them (of this worker),
            called after each batch.
        num_shards: int or None. In how many shards to write. Defaults to
            None, all in one.
        worker: int. This worker, from 0. Defaults to `0`.
        num_workers: int. How many there are. Defaults to `1`.

    Returns:
        dict. `"num_images"`, `"num_skipped"` and `"width"`; with
        `num_shards`, of what this call has written, and `"num_written"` and
        `"num_passed_over"`, of shards.

    Raises:
        ValueError: if there is something at `output` already that this does
            not complete (another source, encoder, feature, number of shards
            or version of this package, which the error names), if the encoder
            has no such feature, or if the source cannot be opened.
        FileNotFoundError: if there is no such source.
        ServerError: if a server gives no features, see `keras_dim.serving`.

    Example:
    ```python
    embed(keras_dim.pretrained("deep_infomax_cifar10"), "photos", "features")
    features = numpy.load("features/features.npy", mmap_mode="r")
    ```
    """
    output = pathlib.Path(output)
    if num_shards is None:
        _refuse_workers(worker, num_workers)
        files.refuse_existing(output)
    else:
        _check_shards(num_shards, worker, num_workers)
        shards = EmbeddingShards(output, num_shards)
        shards.refuse_other_folder()
    stream = FeatureStream(encoder, feature, batch_size)
    height, width, channels = stream.image_shape
    images = data.open_source(
        source,
        split,
        image_size=None if height is None else (height, width),
        channels=channels,
    )
    if num_shards is None:
        return _embed_whole(stream, images, output, report)
    width = stream.width(images.image_shape)
    shards.begin(
        {
            "keras_dim": __version__,
            "backend": keras.backend.backend(),
            "source": _name_of(source),
            "split": split,
            "num_images": images.num_images,
            "image_shape": list(images.image_shape),
            "paths_sha256": _digest_of(images.paths),
            "contents": images.contents(),
            "encoder": stream.identity(),
            "feature": feature,
            "width": width,
            "num_shards": num_shards,
        }
    )
    own = range(worker, num_shards, num_workers)
    return _embed_shards(stream, images, shards, own, width, report)


def _embed_whole(stream, images, output, report):
    with files.atomic_folder(output) as folder:
        num_images, width = write_features(
            folder / "features.npy",
            folder / "index.csv",
            stream(_batches(stream, images, range(images.num_images))),
            stream.feature,
            images,
            report=report and (lambda rows: report(rows, images.num_images)),
        )
        write_skipped(folder / "skipped.csv", images.skipped)
    return {
        "num_images": num_images,
        "num_skipped": len(images.skipped),
        "width": width,
    }


def _embed_shards(stream, images, shards, own, width, report):
    parts = {shard: shards.rows(shard, images.num_images) for shard in own}
    total = sum(map(len, parts.values()))
    done = num_images = num_skipped = num_written = 0
    for shard, rows in parts.items():
        if not shards.is_done(shard):
            # What was found when the source was opened is of no shard: the
            # first one lists it.
            known = len(images.skipped) if shard else 0
            num_rows = 0
            with shards.writing(shard) as (features, index, skipped):
                num_rows, _ = write_features(
                    features,
                    index,
                    stream(_batches(stream, images, rows)),
                    stream.feature,
                    images,
                    width,
                    report and functools.partial(_tell, report, done, total),
                )
                write_skipped(skipped, images.skipped[known:])
            num_images += num_rows
            num_skipped += len(images.skipped) - known
            num_written += 1
        shards.remove_leftovers(shard)
        done += len(rows)
        if report:
            report(done, total)
    return {
        "num_images": num_images,
        "num_skipped": num_skipped,
        "width": width,
        "num_written": num_written,
        "num_passed_over": len(parts) - num_written,
    }


def _batches(stream, images, rows):
    return batches_in_order(images, stream.batch_size, rows)


def _tell(report, before, total, rows):
    report(before + rows, total)


def _refuse_workers(worker, num_workers):
    if (worker, num_workers) != (0, 1):
        raise ValueError(
            "Workers share the shards of an embedding: pass `num_shards`, too, "
            f"the same to all. Received: worker={worker!r}, "
            f"num_workers={num_workers!r}, num_shards=None"
        )


def _check_shards(num_shards, worker, num_workers):
    for name, value in (
        ("num_shards", num_shards),
        ("num_workers", num_workers),
    ):
        whole = isinstance(value, int) and not isinstance(value, bool)
        if not whole or not 1 <= value <= MAX_SHARDS:
            raise ValueError(
                f"`{name}` must be an integer from 1 to {MAX_SHARDS:,}. "
                f"Received: {value!r}"
            )
    if worker not in range(num_workers):
        raise ValueError(
            f"`worker` must be from 0 to {num_workers - 1} (num_workers - 1). "
            f"Received: {worker!r}"
        )


def _name_of(source):
    """Returns what tells a source from others, as text: paths as they are."""
    if isinstance(source, str | os.PathLike):
        name = os.fspath(source)
        # Names of data sets stay names.
        path = os.path.expanduser(name)
        return os.path.abspath(path) if os.path.exists(path) else name
    arrays = source if isinstance(source, tuple | list) else [source]
    return [
        f"array {array.shape}" if hasattr(array, "shape") else _name_of(array)
        for array in arrays
    ]


def _digest_of(paths):
    if paths is None:
        return None
    digest = hashlib.sha256()
    for path in paths:
        digest.update(os.fsencode(path) + b"\0")
    return digest.hexdigest()
