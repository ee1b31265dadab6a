"""Encoded images in TFRecord files, read as a stream."""

import collections
import dataclasses
import gzip
import inspect
import io
import itertools
import os
import re
import struct
import zlib
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError

from keras_dim.data import image_header
from keras_dim.data.image_files import digest_of_files
from keras_dim.data.image_shape import Pixels
from keras_dim.data.image_shape import survey
from keras_dim.data.order import permutation
from keras_dim.data.order import shuffled
from keras_dim.data.source import Source

IMAGE_KEYS = ("image", "image/encoded")
LABEL_KEYS = ("label", "image/class/label")
# Most records, and bytes of them, in the buffer that shuffles them.
SHUFFLE_RECORDS = 50_000
SHUFFLE_BYTES = 512 * 2**20

# Number of headers that tell grey from colour if sizes need not be compared.
_SAMPLE = 1000

# Files that are read in turns in a shuffled epoch, and records of each turn.
_NUM_OPEN = 16
_BLOCK_LENGTH = 16


@dataclasses.dataclass(frozen=True)
class RecordFile:
    """Consecutive records of one file: `take` of them, after `skip` others.

    `num_bytes` is about their size, `compression` `""` or `"GZIP"`, and
    `begin` the index of the first one in the source.
    """

    path: str
    take: int
    num_bytes: int
    skip: int = 0
    compression: str = ""
    begin: int = 0

    def records(self, rows: range) -> Iterator[tuple[int, bytes]]:
        """Yields those records whose indices are in a range, and the index."""
        first = max(rows.start, self.begin)
        last = min(rows.stop, self.begin + self.take)
        if first < last:
            # Deprecated, for `tf.data`, which takes a hundred times as long to
            # open a file.
            read = inspect.unwrap(tf.compat.v1.io.tf_record_iterator)
            records = read(self.path, tf.io.TFRecordOptions(self.compression))
            skip = self.skip - self.begin
            records = itertools.islice(records, first + skip, last + skip)
            yield from enumerate(records, first)


@dataclasses.dataclass(kw_only=True, eq=False, repr=False)
class RecordSource(Source):
    """Encoded images in the records of files, one `tf.train.Example` each.

    The features `image_key` and `label_key` hold the image and the label, which
    is -1 in records without it. `identity` is what `contents` returns.
    """

    random_access = False

    files: Sequence[RecordFile]
    image_key: str
    label_key: str | None
    pixels: Pixels
    identity: str

    def __post_init__(self):
        super().__post_init__()
        begins = itertools.accumulate(file.take for file in self.files)
        *begins, self.num_images = 0, *begins
        self.files = [
            dataclasses.replace(file, begin=begin)
            for file, begin in zip(self.files, begins, strict=True)
        ]

    @property
    def has_labels(self) -> bool:
        return self.label_key is not None

    def contents(self) -> str:
        return self.identity

    def image(self, item: bytes) -> np.ndarray:
        return self.pixels.decode(item, self.image_shape)

    def place(self, index: int) -> str:
        file = next(f for f in self.files if index < f.begin + f.take)
        return f"{file.path}:{index - file.begin + file.skip}"

    def records(
        self, rows: range | None = None, seed: int | None = None
    ) -> Iterator[tuple[int, int | None, bytes]]:
        """Yields index, label and file of the images of some indices, or all.

        Without a seed they come in the order of their indices. With a seed,
        files in random order are read in turns, and their records shuffled. A
        damaged file or record is a `ValueError`.
        """
        rows = range(self.num_images) if rows is None else rows
        if seed is None:
            return self._parsed(file.records(rows) for file in self.files)
        order = permutation(seed, len(self.files))
        files = (self.files[index].records(rows) for index in order)
        num_bytes = sum(file.num_bytes for file in self.files)
        size = shuffle_buffer(self.num_images, num_bytes)
        return shuffled(self._parsed(files, _NUM_OPEN), seed, size)

    def _parsed(self, files, num_open=1):
        try:
            for index, record in _in_turns(files, num_open):
                features = tf.train.Example.FromString(record).features.feature
                label = None
                if self.label_key:
                    label = _value(features, self.label_key, "int64_list", -1)
                yield (
                    index,
                    label,
                    _value(features, self.image_key, "bytes_list", b""),
                )
        except (tf.errors.OpError, DecodeError, ValueError) as error:
            # Without the names of TensorFlow's operations.
            reason = image_header.in_one_line(error).split("}} ")[-1]
            reason = re.split(r"\s*\[(?:\[|Op:)", reason)[0]
            raise ValueError(f"{self.name} is damaged: {reason}.") from None


def open_records(
    stored_shape: tuple[int | None, ...] = (None, None, None), **arguments: Any
) -> RecordSource:
    """Returns a `RecordSource`; reads headers if `stored_shape` has a `None`.

    Without a size asked for, all headers are read, otherwise the first 1,000.
    Unreadable ones are passed over; decoding reports them.
    """
    source = RecordSource(num_images=0, image_shape=(), **arguments)
    *size, channels = stored_shape
    size = source.pixels.image_size or size
    if None in (*size, channels):
        found = survey(source.name, _headers(source), source.pixels)
        if not found:
            raise ValueError(
                f"No image of {source.name} can be read. Expected files such "
                "as JPEG, PNG, WebP or TIFF."
            )
        size, channels = found[:2], channels or found[2]
    source.image_shape = source.pixels.shape((*size, channels), source.name)
    return source


def _headers(source):
    """Yields place, header and file of the images of a source."""
    for index, _, encoded in itertools.islice(
        source.records(), _SAMPLE if source.pixels.image_size else None
    ):
        try:
            header = image_header.read_header(io.BytesIO(encoded))
        except ValueError:
            continue
        yield source.place(index), header, lambda one=encoded: one


def shuffle_buffer(num_records: int, num_bytes: int) -> int:
    """Returns how many of the records to hold for shuffling."""
    affordable = SHUFFLE_BYTES * num_records // max(num_bytes, 1)
    return max(1, min(num_records, SHUFFLE_RECORDS, affordable))


def open_tfrecord(
    paths: Sequence[str], split: str | None, pixels: Pixels
) -> RecordSource:
    """Opens TFRecord files, plain or compressed with GZIP.

    Each record is a `tf.train.Example` whose feature `image` or
    `image/encoded` is an image file, and `label` or `image/class/label` an
    integer, if it is there. Indices follow the names of the files.
    """
    paths = sorted(set(paths))
    files = [_open_file(path) for path in paths]
    name = paths[0] if len(paths) == 1 else f"{paths[0]} ({len(paths)} files)"
    first = next((file for file in files if file.take), None)
    if first is None:
        raise ValueError(f"There is no record in {name}.")
    image_key, label_key = _feature_keys(first)
    source = open_records(
        name=name,
        files=files,
        image_key=image_key,
        label_key=label_key,
        pixels=pixels,
        # The bytes themselves may be terabytes.
        identity=digest_of_files(
            (os.path.basename(file.path), file.take, file.num_bytes)
            for file in files
        ),
    )
    source.check_split(split)
    return source


def _open_file(path):
    with open(path, "rb") as file:
        is_gzip = file.read(3) == b"\x1f\x8b\x08"
    with (gzip.open if is_gzip else open)(path, "rb") as file:
        num_records = _count(file, path)
    num_bytes = os.path.getsize(path)
    compression = "GZIP" if is_gzip else ""
    return RecordFile(path, num_records, num_bytes, compression=compression)


def _count(file, path):
    """Counts records without reading them."""
    count = 0
    # A record is its length (8 bytes), a checksum (4), the data, and their
    # checksum (4).
    try:
        while head := file.read(12):
            file.seek(struct.unpack("<Q", head[:8])[0] + 3, os.SEEK_CUR)
            if not file.read(1):
                raise EOFError
            count += 1
    except (OSError, EOFError, OverflowError, struct.error, zlib.error):
        raise ValueError(
            f"{path} is not a TFRecord file or is cut off: record {count} "
            "does not end within the file."
        ) from None
    return count


def _feature_keys(file):
    try:
        record = next(file.records(range(1)))[1]
        features = tf.train.Example.FromString(record).features.feature
    except (tf.errors.OpError, DecodeError) as error:
        raise ValueError(
            f"The first record of {file.path} is not a tf.train.Example."
        ) from error

    def first(keys, kind):
        kinds = {key: features[key].WhichOneof("kind") for key in present}
        return next((key for key in keys if kinds.get(key) == kind), None)

    present = sorted(features)
    image_key = first(IMAGE_KEYS, "bytes_list")
    if image_key is None:
        raise ValueError(
            f"The records of {file.path} have no image. Expected a feature "
            f"of bytes called one of {list(IMAGE_KEYS)}. Received: {present}"
        )
    return image_key, first(LABEL_KEYS, "int64_list")


def _value(features, key, kind, default):
    """Returns the single value of a feature; the default if it is missing."""
    if key not in features:
        return default
    values = getattr(features[key], kind).value
    if features[key].WhichOneof("kind") != kind or len(values) != 1:
        raise ValueError(f"a record's feature {key!r} is not one {kind[:-5]}")
    return values[0]


def _in_turns(iterators, num_open):
    """Yields from some iterators in turns, and from the next when one ends."""
    opened = collections.deque(itertools.islice(iterators, num_open))
    while opened:
        iterator = opened.popleft()
        block = list(itertools.islice(iterator, _BLOCK_LENGTH))
        yield from block
        has_ended = len(block) < _BLOCK_LENGTH
        opened.extend(
            itertools.islice(iterators, 1) if has_ended else [iterator]
        )
