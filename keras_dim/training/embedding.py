"""Writes one feature of every image of a source, in constant memory."""

import contextlib
import csv
import functools
import hashlib
import json
import os
import pathlib
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from absl import logging

from keras_dim import checks
from keras_dim import data
from keras_dim import encoders
from keras_dim import evaluation
from keras_dim import files
from keras_dim import serving
from keras_dim.batches import ranges
from keras_dim.data import reading
from keras_dim.training import resuming
from keras_dim.version import __version__

MANIFEST = "embed.json"
# The array of features, the table of its rows, that of the skipped images.
NAMES = ("features{}.npy", "index{}.csv", "skipped{}.csv")
# All shards lie in one folder, with three files each.
MAX_SHARDS = 1_000_000


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
    `features-00003-of-00064.npy`, and `read_embedding` maps them all. Shards
    are consecutive parts of the rows. This process writes the shards `worker`,
    `worker + num_workers` and so on; workers share nothing but the folder.
    Each shard is written whole or not at all. If the call is repeated, it
    skips the shards that exist.

    Args:
        encoder: `keras.Model`, or a `keras_dim.serving.Client` of one on a
            server. Images are resized to the size of its input.
        source, split: see `keras_dim.data.load`.
        output: str or path. A new folder. Without `num_shards` it is written
            whole or not at all.
        feature: str. Feature maps are flattened. Defaults to
            `encoders.default_feature(encoder)`.
        batch_size: int. Defaults to `256`.
        report: function that is called after each batch with the number of
            images done and the number of all images of this worker.
        num_shards: int, or None for a single array. Defaults to None.
        worker: int. Number of this worker, from 0. Defaults to `0`.
        num_workers: int. Defaults to `1`.

    Returns:
        dict. `"num_images"`, `"num_skipped"` and `"width"`. With `num_shards`
        they are those of this call, and `"num_written"` and
        `"num_passed_over"` are the numbers of shards that it wrote and skipped.

    Raises:
        ValueError: if `output` exists and is not part of the same embedding,
            by the same encoder, source and version of this package; for an
            unknown feature, and for a source that cannot be opened.
        FileNotFoundError: if there is no such source.
        ServerError: if a server gives no features, see `keras_dim.serving`.
    """
    output = pathlib.Path(output)
    checks.integers(1, batch_size=batch_size)
    if num_shards is not None:
        checks.integers(1, MAX_SHARDS, num_shards=num_shards)
        checks.integers(1, num_workers=num_workers)
        checks.integers(0, num_workers - 1, worker=worker)
    elif (worker, num_workers) != (0, 1):
        raise ValueError(
            "Several workers need shards: pass `num_shards`, too. Received: "
            f"worker={worker!r}, num_workers={num_workers!r}"
        )
    else:
        files.refuse_existing(output)
    if isinstance(encoder, serving.Client):
        found = _of_server(encoder, feature)
    else:
        found = _of_model(encoder, feature, batch_size)
    feature, image_shape, run, identity, values = found
    *size, channels = image_shape
    sizes = {"image_size": None if None in size else size, "channels": channels}
    sizes["values"] = "8_bit" if values is None else "stored"
    images = data.open_source(source, split, **sizes)
    total = images.num_images
    seen = "x".join(map(str, images.image_shape))
    taken = "x".join(str(size or "?") for size in image_shape)
    logging.info(f"{total:,} images {seen} -> encoder {taken} -> {feature}")
    one = np.zeros((1, *images.image_shape), np.uint8)
    if values is not None:
        one = values.example(1, images.image_shape[:2])
    width = next(iter(run([{"image": one}])))[feature].shape[1]
    write = functools.partial(_write, run, images, feature, width, batch_size)
    report = report or (lambda done, total: None)
    if num_shards is None:
        with files.atomic_folder(output) as folder:
            paths = [folder / name.format("") for name in NAMES]
            num_rows = write(range(total), paths, 0, lambda n: report(n, total))
            if not num_rows:
                raise ValueError(f"No image of {images.name} can be read.")
        done = {"num_images": num_rows, "num_skipped": len(images.skipped)}
        return {"width": width, **done}
    names = os.fsencode("\0".join(images.paths or ()))
    is_path = os.path.exists(images.name)
    manifest = {
        "keras_dim": __version__,
        "backend": keras.backend.backend(),
        "source": os.path.abspath(images.name) if is_path else images.name,
        "split": split,
        "num_images": total,
        "image_shape": list(images.image_shape),
        "paths_sha256": images.paths and hashlib.sha256(names).hexdigest(),
        "contents": images.contents(),
        "encoder": identity(),
        "feature": feature,
        "width": width,
        "num_shards": num_shards,
    }
    begin(output, manifest)
    parts = {
        n: range(total * n // num_shards, total * (n + 1) // num_shards)
        for n in range(worker, num_shards, num_workers)
    }
    all_rows = sum(map(len, parts.values()))
    done = num_images = num_skipped = num_written = 0
    for shard, rows in parts.items():
        paths = shard_paths(output, shard, num_shards)
        if not paths[0].exists():
            # Images skipped when the source was opened go to the first shard.
            known = len(images.skipped) if shard else 0

            def report_rows(num_rows, before=done):
                report(before + num_rows, all_rows)

            with _writing(paths) as temporary:
                num_images += write(rows, temporary, known, report_rows)
            num_skipped += len(images.skipped) - known
            num_written += 1
        for path in paths:
            # Other writers of this shard, killed or not, have left them.
            files.remove_leftovers(path)
        done += len(rows)
        report(done, all_rows)
    return {
        "width": width,
        "num_images": num_images,
        "num_skipped": num_skipped,
        "num_written": num_written,
        "num_passed_over": len(parts) - num_written,
    }


def read_embedding(folder: str | os.PathLike) -> list[np.ndarray]:
    """Maps the features of all shards.

    Args:
        folder: str or path. The output of `embed(num_shards=...)`.

    Returns:
        list of float32 arrays `(rows, width)`, one for each shard, in order.
        They are mapped from the files and read when they are used.

    Raises:
        ValueError: if shards are missing, or if the folder holds none.
    """
    folder = pathlib.Path(folder)
    if not (folder / MANIFEST).is_file():
        raise ValueError(
            f"There is no {MANIFEST} in {folder}: it is no embedding in "
            "shards. Load an embedding without shards by "
            "numpy.load('features.npy')."
        )
    num_shards = _read_manifest(folder)["num_shards"]
    paths = [shard_paths(folder, n, num_shards)[0] for n in range(num_shards)]
    missing = [n for n, path in enumerate(paths) if not path.exists()]
    if missing:
        raise ValueError(
            f"{len(missing)} of {num_shards} shards are missing in {folder}, "
            f"the first of them number {missing[0]}: call `embed` again with "
            "the same arguments."
        )
    return [np.load(path, mmap_mode="r", allow_pickle=False) for path in paths]


def shard_paths(
    folder: pathlib.Path, shard: int, num_shards: int
) -> list[pathlib.Path]:
    """Returns the paths of the three files of a shard, in order of `NAMES`."""
    number = f"{shard:05d}-of-{num_shards:05d}"
    return [folder / name.format(f"-{number}") for name in NAMES]


def begin(folder: pathlib.Path, manifest: dict[str, Any]) -> None:
    """Writes the manifest of an embedding in shards.

    Raises:
        ValueError: if the folder holds another manifest or other files.
    """
    if os.path.lexists(folder):
        names = os.listdir(folder) if folder.is_dir() else ["other"]
        # A hidden file may be a manifest that another worker is writing.
        if MANIFEST not in names and any(name[0] != "." for name in names):
            raise ValueError(
                f"{folder} exists and holds no embedding in shards: it has no "
                f"{MANIFEST}. Choose another folder."
            )
    files.write_json_once(folder / MANIFEST, manifest)
    files.remove_leftovers(folder / MANIFEST)
    changes = resuming.differences(_read_manifest(folder), manifest)
    if changes:
        raise ValueError(
            f"{folder} was begun as another embedding: {changes}. Pass the "
            "arguments of that one, or choose a new folder."
        )


def _read_manifest(folder):
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        num_shards = manifest["num_shards"]
        if type(num_shards) is not int or not 1 <= num_shards <= MAX_SHARDS:
            raise ValueError(f"num_shards is {num_shards!r:.40}")
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise ValueError(
            f"{path} is damaged: {error!r:.200}. Restore the file, or choose a "
            "new folder."
        ) from error
    return manifest


@contextlib.contextmanager
def _writing(paths):
    """Yields temporary paths that become `paths`, the first one last."""
    try:
        with contextlib.ExitStack() as stack:
            atomic = map(files.atomic_path, paths)
            yield [stack.enter_context(path) for path in atomic]
    except FileNotFoundError:
        # Another process has written the same shard in the meantime, and has
        # removed these temporary files.
        if not paths[0].exists():
            raise


def _write(run, images, feature, width, batch_size, rows, paths, known, report):
    """Writes the features of the images `rows`, and returns their number.

    The first `known` skipped images are left out of the table of skipped ones.
    """
    num_rows = 0
    header = ["row", "index" if images.paths is None else "path"]
    names = None
    if images.has_labels:
        header.append("label")
        names = images.class_names
    if names is not None:
        header.append("class")
        # The label -1, of unlabelled images, is the last entry.
        names = [*names, ""]
    with open(paths[0], "wb") as features, _open_csv(paths[1]) as index:
        table = csv.writer(index)
        table.writerow(header)
        _write_header(features, len(rows), width)
        batches = reading.Epoch(images, batch_size, rows).batches()
        for batch in run(batches):
            values = np.ascontiguousarray(batch[feature], "<f4")
            checks.shape((None, width), **{feature: values})
            features.write(values.data)
            columns = [batch["index"].tolist()]
            if images.paths is not None:
                columns = [[images.paths[row] for row in columns[0]]]
            if images.has_labels:
                columns.append(batch["label"].tolist())
            if names is not None:
                columns.append([names[label] for label in columns[-1]])
            numbers = range(num_rows, num_rows + len(values))
            table.writerows(zip(numbers, *columns, strict=True))
            num_rows += len(values)
            report(num_rows)
        # Only now the number of readable images is known. NumPy pads headers,
        # so that the new one has the same length.
        features.seek(0)
        _write_header(features, num_rows, width)
    with _open_csv(paths[2]) as skipped:
        places = images.skipped[known:]
        csv.writer(skipped).writerows([["path"], *([p] for p in places)])
    return num_rows


def _write_header(file, num_rows, width):
    header = np.lib.format.header_data_from_array_1_0(np.empty(0, "<f4"))
    header["shape"] = (num_rows, width)
    np.lib.format.write_array_header_1_0(file, header)


def _open_csv(path):
    # File names may hold bytes that are not UTF-8.
    return open(
        path, "w", newline="", encoding="utf-8", errors="surrogateescape"
    )


def _of_model(encoder, feature, batch_size):
    """Returns a tuple of five, about an encoder.

    * The name of the feature.
    * The shape of an image, with None for any size.
    * A function from batches with `"image"` to batches with the feature
      `(rows, width)`.
    * A function that returns a dict for JSON that identifies the encoder.
    * The range of stored values, or None for pixels from 0 to 255.
    """
    feature = feature or encoders.default_feature(encoder)
    encoders.features.features_of(encoder, feature)
    model = evaluation.feature_model(encoder, feature)

    def run(batches):
        return evaluation.stream(model, batches, feature, batch_size)

    def identity():
        digest = hashlib.sha256()
        for weight in model.get_weights():
            digest.update(f"{weight.dtype} {weight.shape}\n".encode())
            digest.update(np.ascontiguousarray(weight).tobytes())
        try:
            config = json.dumps(model.get_config(), sort_keys=True)
        except (NotImplementedError, TypeError):
            # The configuration of a custom class need not exist, or be JSON.
            config = type(model).__qualname__
        digest.update(config.encode())
        return {"sha256": digest.hexdigest()}

    values = encoders.value_range(encoder)
    return feature, model.inputs[0].shape[1:], run, identity, values


def _of_server(client, feature):
    """Returns the tuple of `_of_model` for an encoder on a server."""
    # All features are of one version, even if the server loads a newer one.
    client = client.pinned()
    signatures = client.metadata()
    # Exports without "native" take images of the encoder's size by default.
    name = "native" if "native" in signatures else "serving_default"
    signature = signatures.get(name, serving.Signature({}, {}))
    images = signature.inputs.get("images", serving.TensorSpec("", None))
    is_known = images.dtype in ranges.DTYPES
    if not is_known or len(images.shape or ()) != 4:
        raise ValueError(
            f"{client} must take images, (batch, height, width, channels) of "
            f"one of {ranges.DTYPES}, by its signature {name!r}. Received the "
            f"inputs {signature.inputs}"
        )
    values = None
    if images.dtype != "uint8":
        # The encoder on the server knows the range.
        zeros = (0.0,) * (images.shape[-1] or 1)
        values = ranges.ValueRange(zeros, zeros, images.dtype)
    feature = feature or encoders.default_feature(signature.outputs)
    encoders.features.check_names([feature], signature.outputs)

    def run(batches):
        for batch in batches:
            columns = {key: np.asarray(column) for key, column in batch.items()}
            pixels = columns.pop("image")
            values = client.embed(pixels, feature, name)
            yield {feature: values.reshape(len(pixels), -1), **columns}

    def identity():
        found = {"server": str(client), "version": client.version}
        if client.version is None:
            # The server chooses one of its versions.
            states = client.status()
            found["versions"] = sorted(
                key for key, state in states.items() if state == "AVAILABLE"
            )
        return found

    return feature, images.shape[1:], run, identity, values
