"""TFRecord files of `tf.train.Example`s that hold encoded images."""

import dataclasses
import io
import os
import struct
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from keras_dim.data import numpy_images
from keras_dim.data.decoding import decoded_images
from keras_dim.data.image_files import digest_of_files
from keras_dim.data.image_header import MAX_PIXELS
from keras_dim.data.image_header import read_header
from keras_dim.data.image_shape import Survey
from keras_dim.data.order import Order
from keras_dim.data.order import ordered_indices
from keras_dim.data.order import shuffled_records
from keras_dim.data.source import Source
from keras_dim.data.source import refuse_missing_split
from keras_dim.data.tensorflow_tools import damage_in_one_line
from keras_dim.data.tensorflow_tools import without_autotuning

IMAGE_KEYS = ("image", "image/encoded")
LABEL_KEYS = ("label", "image/class/label")
# Records are held encoded while they are shuffled: at most so many, and at
# most so many bytes of them.
SHUFFLE_RECORDS = 50_000
SHUFFLE_BYTES = 512 * 2**20

# Where sizes need not be compared, so many images tell grey from colour.
_SAMPLE = 1000

# Files read at once, and records taken from each in turn. Constants, so that
# the order is the same on every machine.
_CYCLE_LENGTH = 16
_BLOCK_LENGTH = 16


@dataclasses.dataclass(frozen=True)
class Shard:
    """One file of records.

    Args:
        path: str.
        compression: str. `""` or `"GZIP"`.
        num_records: int.
    """

    path: str
    compression: str
    num_records: int


class TFRecordSource(Source):
    """Images in the records of files, read as a stream.

    Args:
        name: str. What the user called the files.
        shards: list of `Shard`.
        image_key: str. The feature that holds the encoded image.
        label_key: str or `None`. The feature that holds the label.
        image_size: int, `(height, width)` or `None`, where all images have
            one size.
        channels: int or `None`.
        orient: bool. Whether images are turned as their EXIF says.
    """

    def __init__(
        self, name, shards, image_key, label_key, image_size, channels, orient
    ):
        sizes = np.array([shard.num_records for shard in shards], np.int64)
        self._shards = shards
        self._ends = np.cumsum(sizes)
        self._image_key = image_key
        self._label_key = label_key
        self._orient = orient
        # Not in `batches`, which is traced: AutoGraph warns that it cannot
        # read the source of `getsize`.
        self._num_bytes = [os.path.getsize(shard.path) for shard in shards]
        self._shuffle_buffer = shuffle_buffer(
            int(sizes.sum()), sum(self._num_bytes)
        )
        survey = survey_records(
            Survey(name, image_size, orient),
            self._records(Order(), label_key),
            self._place,
        )
        self._resize = survey.resize
        super().__init__(
            name,
            sizes.sum(),
            survey.image_shape(channels),
            has_labels=label_key is not None,
            exact=False,
        )

    def batches(
        self, order: Order, batch_size: int, drop_remainder: bool
    ) -> tf.data.Dataset:
        records = shuffled_records(
            self._records(order, self._label_key),
            order,
            self._shuffle_buffer,
        )
        images = decoded_images(
            records,
            "encoded",
            self._decode,
            self.image_shape,
            self.report,
        )
        return images.batch(batch_size, drop_remainder)

    def contents(self) -> str:
        # The bytes themselves may be terabytes.
        facts = (
            (os.path.basename(shard.path), shard.num_records, num_bytes)
            for shard, num_bytes in zip(
                self._shards, self._num_bytes, strict=True
            )
        )
        return digest_of_files(facts)

    def _records(self, order, label_key):
        """The parsed records of all files, in the order of the epoch."""
        paths = tf.constant([shard.path for shard in self._shards])
        compressions = tf.constant([s.compression for s in self._shards])
        begins = self._ends - [shard.num_records for shard in self._shards]

        def read(shard):
            records = tf.data.TFRecordDataset(
                tf.gather(paths, shard), tf.gather(compressions, shard)
            )
            return records.enumerate(tf.gather(begins, shard))

        features = {self._image_key: tf.io.FixedLenFeature([], tf.string, "")}
        if label_key:
            features[label_key] = tf.io.FixedLenFeature([], tf.int64, -1)

        # Not a method: TensorFlow reports one that it cannot convert with the
        # `repr` of its object, and this one is not yet whole when surveyed.
        def parse(index, serialized):
            parsed = tf.io.parse_single_example(serialized, features)
            record = {"index": index, "encoded": parsed[self._image_key]}
            if label_key:
                record["label"] = parsed[label_key]
            return record

        if order.rows is None:
            all_files = dataclasses.replace(order, shard_index=0, num_shards=1)
            files = ordered_indices(all_files, len(self._shards))
            records = tf.data.Dataset.from_tensor_slices(files).interleave(
                read,
                cycle_length=_CYCLE_LENGTH,
                block_length=_BLOCK_LENGTH,
                num_parallel_calls=tf.data.AUTOTUNE,
                deterministic=True,
            )
        else:
            # One file after the other, and none before the first that counts:
            # that one is read from its front.
            begin = order.rows.start
            first = int(np.searchsorted(self._ends, begin, side="right"))
            passed_over = begin - begins[first] if len(order.rows) else 0
            records = tf.data.Dataset.range(first, len(self._shards))
            records = records.flat_map(read).skip(passed_over)
            records = records.take(len(order.rows))
        return records.map(parse, num_parallel_calls=tf.data.AUTOTUNE)

    def _place(self, index):
        number = int(np.searchsorted(self._ends, index, side="right"))
        shard = self._shards[number]
        begin = int(self._ends[number]) - shard.num_records
        return f"{shard.path}:{index - begin}"

    def _decode(self, encoded):
        try:
            return numpy_images.decode_as(
                encoded, self.image_shape, self._resize, self._orient
            )
        except ValueError:
            return None

    def report(self, row: int) -> None:
        self.skip(
            self._place(row),
            f"it cannot be decoded, or has more than {MAX_PIXELS:,} pixels",
        )


def shuffle_buffer(num_records: int, num_bytes: int) -> int:
    """How many of the records to hold while shuffling."""
    affordable = SHUFFLE_BYTES * num_records // max(num_bytes, 1)
    return max(1, min(num_records, SHUFFLE_RECORDS, affordable))


def survey_records(
    survey: Survey,
    records: tf.data.Dataset,
    place: Callable[[int], str],
) -> Survey:
    """Looks at the headers of a stream: all of them, or a sample.

    Images without a readable header are passed over here; decoding reports
    them.

    Args:
        survey: `Survey`. It is given back. Where it compares no sizes, only a
            sample is read, for the number of channels.
        records: dataset of records with `"index"` and `"encoded"`.
        place: function of an index that returns what to call the image.
    """
    if survey.resize:
        records = records.take(_SAMPLE)
    heads = records.map(lambda one: (one["index"], one["encoded"]))
    with damage_in_one_line(survey.name):
        for index, encoded in without_autotuning(heads).as_numpy_iterator():
            try:
                header = read_header(io.BytesIO(encoded))
            except ValueError:
                continue
            survey.add(place(int(index)), header, lambda one=encoded: one)
    if not survey.num_images:
        raise ValueError(
            f"No image of {survey.name} can be read. Expected files such as "
            "JPEG, PNG, WebP or TIFF."
        )
    return survey


def open_tfrecord(
    paths: Sequence[str],
    split: str | None,
    *,
    image_size: Any = None,
    channels: int | None = None,
    orient: bool = True,
) -> TFRecordSource:
    """Opens TFRecord files, plain or compressed with GZIP.

    Each record is a `tf.train.Example` whose feature `image` or
    `image/encoded` holds an image file. A feature `label` or
    `image/class/label` is an integer; records without it get -1. Indices
    count the records through the files in the order of their names. Without
    `image_size` the headers of all images are read once, to be sure that they
    have one size.

    Args:
        paths: sequence of str. The files.
        split: str or `None`. There is `"train"` alone.
        image_size: int, `(height, width)` or `None`.
        channels: int or `None`. 1 or 3; `None` is 1 where all images (with
            `image_size`: the first 1,000) are grey, else 3.
        orient: bool. Whether to turn images as their EXIF orientation says.
    """
    paths = sorted(set(paths))
    shards = [_open_shard(path) for path in paths]
    name = paths[0] if len(paths) == 1 else f"{paths[0]} ({len(paths)} files)"
    first = next((shard for shard in shards if shard.num_records), None)
    if first is None:
        raise ValueError(f"There is no record in {name}.")
    image_key, label_key = _feature_keys(first)
    source = TFRecordSource(
        name, shards, image_key, label_key, image_size, channels, orient
    )
    refuse_missing_split(source, split)
    return source


def _open_shard(path):
    with open(path, "rb") as file:
        compression = "GZIP" if file.read(3) == b"\x1f\x8b\x08" else ""
        file.seek(0)
        count = _count_compressed if compression else _count_plain
        return Shard(path, compression, count(path, file))


def _count_plain(path, file):
    """Hops from record to record without reading them.

    A record is its length (8 bytes), a checksum (4), the data, and their
    checksum (4).
    """
    total = os.fstat(file.fileno()).st_size
    count = end = 0
    while end < total:
        head = file.read(12)
        if len(head) == 12:
            (length,) = struct.unpack("<Q", head[:8])
            end += 16 + length
        if len(head) < 12 or end > total:
            raise ValueError(
                f"{path} is not a TFRecord file or is cut off: record {count} "
                "does not end within the file."
            )
        file.seek(end)
        count += 1
    return count


def _count_compressed(path, file):
    del file
    records = tf.data.TFRecordDataset(path, "GZIP")
    try:
        return int(records.reduce(np.int64(0), lambda count, _: count + 1))
    except tf.errors.OpError as error:
        raise ValueError(
            f"{path} is not a TFRecord file or is cut off."
        ) from error


def _feature_keys(shard):
    try:
        records = tf.data.TFRecordDataset(shard.path, shard.compression)
        serialized = next(without_autotuning(records).as_numpy_iterator())
        example = tf.train.Example.FromString(serialized)
    except Exception as error:  # protobuf has no public class for this.
        raise ValueError(
            f"The first record of {shard.path} is not a tf.train.Example."
        ) from error
    features = example.features.feature

    def first(keys, kind):
        return next(
            (key for key in keys if features[key].WhichOneof("kind") == kind),
            None,
        )

    present = sorted(features)
    image_key = first(IMAGE_KEYS, "bytes_list")
    if image_key is None:
        raise ValueError(
            f"The records of {shard.path} have no image. Expected a feature "
            f"of bytes called one of {list(IMAGE_KEYS)}. Received: {present}"
        )
    return image_key, first(LABEL_KEYS, "int64_list")
