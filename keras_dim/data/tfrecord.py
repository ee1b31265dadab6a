"""Encoded images in TFRecord files."""

import dataclasses
import gzip
import io
import os
import shutil
import struct
import tempfile
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError

from keras_dim.data import image_header
from keras_dim.data.crc32c import crc32c
from keras_dim.data.image_options import ImageOptions
from keras_dim.data.image_options import survey
from keras_dim.data.source import Source
from keras_dim.data.source import digest_of_files

IMAGE_KEYS = ("image", "image/encoded")
LABEL_KEYS = ("label", "image/class/label")

# Number of headers that are read where images are resized, for the channels.
_SAMPLE = 1000


@dataclasses.dataclass(eq=False)
class RecordFile:
    """Consecutive records of a file.

    Args:
        path: str.
        bounds: int64 array `(num_records + 1,)`. The offset of each record,
            and of the end of the last one, in bytes.
        first: int. The number of the first record in the file.
        unpacked: temporary file with the unpacked contents of a GZIP file, or
            `None`. It is deleted together with this object.
    """

    path: str
    bounds: np.ndarray
    first: int = 0
    unpacked: Any = None

    def __len__(self) -> int:
        return len(self.bounds) - 1

    def record(self, number: int) -> bytes:
        """Reads a record; raises a `ValueError` if it is damaged."""
        begin, end = self.bounds[number : number + 2].tolist()
        image_header.check_bytes(end - begin)
        # Files are not kept open: there may be thousands of them.
        path = self.unpacked.name if self.unpacked else self.path
        file = os.open(path, os.O_RDONLY)
        try:
            data = os.pread(file, end - begin, begin)
        finally:
            os.close(file)
        record = data[12:-4]
        checksum = crc32c(record)
        # As TensorFlow's record_writer.h masks it.
        masked = (checksum >> 15 | checksum << 17) + 0xA282EAD8
        if struct.pack("<I", masked % 2**32) != data[-4:]:
            raise ValueError("the record is damaged: its checksum is wrong")
        return record


@dataclasses.dataclass(kw_only=True, eq=False, repr=False)
class RecordSource(Source):
    """Encoded images in the records of files, one `tf.train.Example` each.

    Args:
        files: sequence of `RecordFile`.
        image_key: str. The feature with the image.
        label_key: str or `None`. The feature with the label; records without
            it have the label -1.
        identity: str. The result of `contents`.
    """

    files: Sequence[RecordFile]
    image_key: str
    label_key: str | None
    options: ImageOptions
    identity: str

    def __post_init__(self):
        super().__post_init__()
        self._ends = np.cumsum([len(file) for file in self.files])
        self.num_images = int(self._ends[-1])

    @property
    def has_labels(self) -> bool:
        return self.label_key is not None

    def contents(self) -> str:
        return self.identity

    def item(self, index: int) -> tuple[np.ndarray, int | None]:
        encoded, label = self.encoded(index)
        return self.options.decode(encoded, self.image_shape), label

    def stored_size(self, index: int) -> tuple[int, int]:
        file = io.BytesIO(self.encoded(index)[0])
        return image_header.read_header(file).size(self.options.orient)

    def encoded(self, index: int) -> tuple[bytes, int | None]:
        """Returns the bytes of the image file and the label of an index."""
        file, number = self._find(index)
        features = _features(file.record(number))
        label = None
        if self.label_key:
            label = _value(features, self.label_key, "int64_list", -1)
        return _value(features, self.image_key, "bytes_list", b""), label

    def place(self, index: int) -> str:
        file, number = self._find(index)
        return f"{file.path}:{file.first + number}"

    def _find(self, index):
        place = np.searchsorted(self._ends, index, side="right")
        file = self.files[place]
        return file, index - int(self._ends[place]) + len(file)


def open_records(
    stored_shape: tuple[int | None, ...] = (None, None, None), **arguments: Any
) -> RecordSource:
    """Returns a `RecordSource` with its `image_shape`.

    Where `stored_shape` has a `None`, the shape is that of the headers: of all
    of them or, if images are resized, of the first 1,000. Unreadable headers
    are ignored here; decoding reports them.
    """
    source = RecordSource(num_images=0, image_shape=(), **arguments)
    *size, channels = stored_shape
    size = source.options.image_size or size
    if None in (*size, channels):
        found = survey(source.name, _headers(source), source.options)
        if not found:
            raise ValueError(
                f"No image of {source.name} can be read. Expected image "
                "files, such as JPEG, PNG, WebP or TIFF."
            )
        size, channels = found[:2], channels or found[2]
    source.image_shape = source.options.shape((*size, channels), source.name)
    return source


def _headers(source):
    """Yields the place, the header and the bytes of images, as for `survey`."""
    most = _SAMPLE if source.options.image_size else source.num_images
    for index in range(min(most, source.num_images)):
        try:
            encoded, _ = source.encoded(index)
            header = image_header.read_header(io.BytesIO(encoded))
        except ValueError:
            continue
        yield source.place(index), header, lambda one=encoded: one


def open_tfrecord(
    paths: Sequence[str], split: str | None, options: ImageOptions
) -> RecordSource:
    """Opens TFRecord files, plain or compressed with GZIP.

    Each record is a `tf.train.Example` whose feature `image` or
    `image/encoded` is an image file. A feature `label` or
    `image/class/label`, an integer, is optional. Indices follow the names of
    the files.
    """
    paths = sorted(set(paths))
    files = [open_file(path) for path in paths]
    name = paths[0] if len(paths) == 1 else f"{paths[0]} ({len(paths)} files)"
    first = next(filter(len, files), None)
    if first is None:
        raise ValueError(f"There is no record in {name}.")
    image_key, label_key = _feature_keys(first)
    source = open_records(
        name=name,
        files=files,
        image_key=image_key,
        label_key=label_key,
        options=options,
        # The records themselves may be terabytes.
        identity=digest_of_files(paths, map(len, files)),
    )
    source.check_split(split)
    return source


def open_file(path: str) -> RecordFile:
    """Finds the records of a file, without reading them.

    A GZIP file is unpacked first, as it cannot be read by offset.
    """
    unpacked = _unpacked(path)
    stored = unpacked.name if unpacked else path
    bounds, size = [0], os.path.getsize(stored)
    with open(stored, "rb") as file:
        # A record is its length (8 bytes), a checksum (4), the data, and
        # their checksum (4).
        while bounds[-1] + 12 <= size:
            file.seek(bounds[-1])
            length = int.from_bytes(file.read(8), "little")
            bounds.append(bounds[-1] + length + 16)
    if bounds[-1] != size:
        number = len(bounds) - (2 if bounds[-1] > size else 1)
        raise ValueError(
            f"{path} is not a TFRecord file, or is cut off: record {number} "
            "does not end within the file."
        )
    return RecordFile(path, np.array(bounds, np.int64), unpacked=unpacked)


def _unpacked(path):
    """Returns a temporary file of the contents of a GZIP file, else `None`."""
    with open(path, "rb") as file:
        if file.read(3) != b"\x1f\x8b\x08":
            return None
    unpacked = tempfile.NamedTemporaryFile(suffix=".tfrecord")
    try:
        with gzip.open(path) as packed:
            shutil.copyfileobj(packed, unpacked, 2**20)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{path} is cut off or damaged: {error}") from error
    unpacked.flush()
    return unpacked


def _features(record):
    try:
        return tf.train.Example.FromString(record).features.feature
    except DecodeError as error:
        raise ValueError("it is not a tf.train.Example") from error


def _feature_keys(file):
    try:
        features = _features(file.record(0))
    except ValueError as error:
        raise ValueError(f"The first record of {file.path}: {error}.") from None
    present = sorted(features)

    def first(keys, kind):
        kinds = {key: features[key].WhichOneof("kind") for key in present}
        return next((key for key in keys if kinds.get(key) == kind), None)

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
        raise ValueError(f"its feature {key!r} is not one {kind[:-5]}")
    return values[0]
