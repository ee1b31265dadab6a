"""Writes one feature of every image of a source, in constant memory."""

import functools
import hashlib
import os
import pathlib
from collections.abc import Callable
from typing import Any

import keras
from absl import logging

from keras_dim import checks
from keras_dim import data
from keras_dim import files
from keras_dim import serving
from keras_dim.data.reading import batches_in_order
from keras_dim.training import shapes
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
    Starting the workers is up to the caller; they share nothing but the
    folder. Each shard is written whole or not at all. The same call again
    skips the shards that are done, so that a worker that was killed loses no
    more than the shard it was writing.

    Rows are in the order of the images' indices: of the sorted paths of a
    folder, of record after record of sorted TFRecord files, of the first axis
    of an array. Shards are consecutive ranges of that order, each with the
    same number of images up to one, so that all shards together have the rows
    of the one array, equal up to rounding. A shard has fewer rows if images
    cannot be read, and none if there are more shards than images. Folders and
    arrays can be read from any index on. A record file is read from its
    beginning, so that more shards than files save little time. To detect
    that a source has changed, its name is compared, for arrays a checksum
    (each worker reads them once for it), for record files their names and
    sizes, for folders the names in them.

    Args:
        encoder: `keras.Model`, or a `keras_dim.serving.Client` of one on a
            server. Images are resized to the size that it takes in this
            process in both cases, so that both give the same features.
        source: the same as for `keras_dim.data.load`.
        output: str or path. The folder to be made. Without `num_shards` it
            is written whole or not at all.
        feature: str. Maps are flattened. Defaults to
            `encoders.default_feature(encoder)`, which is `"global"` where the
            encoder has it.
        batch_size: int. Defaults to `256`.
        split: str. Of a folder without sub-folders named like splits, all
            images are taken. Defaults to `"train"`.
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
        ValueError: if `output` exists and is not a part of the same embedding
            (the error names what differs: source, encoder, feature, number of
            shards or version of this package), if the encoder has no such
            feature, or if the source cannot be opened.
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
    logging.info(
        "%s",
        shapes.of_embedding(
            images.num_images,
            images.image_shape,
            stream.image_shape,
            stream.feature,
        ),
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
            "feature": stream.feature,
            "width": width,
            "num_shards": num_shards,
        }
    )
    own = range(worker, num_shards, num_workers)
    return _embed_shards(stream, images, shards, own, width, report)


def _embed_whole(stream, images, output, report):
    rows = range(images.num_images)
    with files.atomic_folder(output) as folder:
        num_images, width = write_features(
            folder / "features.npy",
            folder / "index.csv",
            stream(batches_in_order(images, stream.batch_size, rows)),
            stream.feature,
            images,
            report=report and (lambda done: report(done, images.num_images)),
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
            # Images that were skipped when the source was opened belong to
            # no shard: the first one lists them.
            known = len(images.skipped) if shard else 0
            num_rows = 0
            with shards.writing(shard) as (features, index, skipped):
                num_rows, _ = write_features(
                    features,
                    index,
                    stream(batches_in_order(images, stream.batch_size, rows)),
                    stream.feature,
                    images,
                    width,
                    report
                    and functools.partial(_report_sum, report, done, total),
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


def _report_sum(report, before, total, rows):
    report(before + rows, total)


def _refuse_workers(worker, num_workers):
    if (worker, num_workers) != (0, 1):
        raise ValueError(
            "Workers share the shards of an embedding: pass `num_shards`, the "
            f"same to all workers. Received: worker={worker!r}, "
            f"num_workers={num_workers!r}, num_shards=None"
        )


def _check_shards(num_shards, worker, num_workers):
    checks.integers(
        1, MAX_SHARDS, num_shards=num_shards, num_workers=num_workers
    )
    checks.integers(0, num_workers - 1, worker=worker)


def _name_of(source):
    """Returns a name for the manifest: absolute paths, shapes of arrays."""
    if isinstance(source, str | os.PathLike):
        name = os.fspath(source)
        # Unless it is a path, it is the name of a data set.
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
