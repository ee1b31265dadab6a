"""Data sets of the tensorflow-datasets catalogue, or prepared with it."""

import difflib
import os
import pathlib
import re
import socket
import threading
import urllib.parse
import urllib.request
from typing import Any

import numpy as np
import tensorflow as tf

from keras_dim.data.image_header import in_one_line
from keras_dim.data.image_shape import Survey
from keras_dim.data.image_shape import choose_channels
from keras_dim.data.image_shape import parse_image_size
from keras_dim.data.order import Order
from keras_dim.data.order import shuffled_records
from keras_dim.data.source import Source
from keras_dim.data.tensorflow_images import convert
from keras_dim.data.tensorflow_images import decode_image
from keras_dim.data.tfrecord import shuffle_buffer
from keras_dim.data.tfrecord import survey_records

# The home of the catalogue; if its name cannot be resolved there is no
# network.
_CATALOGUE = "https://www.tensorflow.org/datasets"
_NETWORK_SECONDS = 5.0


class TensorFlowDatasetsSource(Source):
    """One split of a prepared data set, read as a stream.

    Images stay encoded until they leave the shuffle buffer.

    Args:
        builder: `tfds.core.DatasetBuilder`. Prepared.
        split: str. Any split that tensorflow-datasets understands.
        image_size: tuple or `None`. `(height, width)`; `None` where all
            images have one size.
        channels: int or `None`.
    """

    def __init__(self, builder, split, image_size, channels):
        self._builder = builder
        self._split = split
        self._resize = image_size is not None
        self._image_key, image = _image_feature(builder)
        self._label_key, class_names = _label_feature(builder)
        # Mock data have neither splits nor files.
        splits = builder.info.splits
        self._files = _FileTable(splits[split]) if splits else None
        num_images = _count(self._examples())
        name = f"{builder.name}[{split}]"
        if not num_images:
            raise ValueError(f"There is no image in {name}.")
        height, width, native = image.shape
        if native is None or (image_size is None and None in (height, width)):
            survey = survey_records(
                Survey(name, image_size, orient=False),
                self._records(Order()),
                lambda index: f"image {index}",
            )
            height, width = survey.size
            native = native or survey.image_shape(None)[-1]
        self._native_channels = native
        channels = choose_channels(native, channels, name)
        super().__init__(
            name,
            num_images,
            (*(image_size or (height, width)), channels),
            has_labels=self._label_key is not None,
            class_names=class_names,
        )

    def contents(self) -> str:
        # With its configuration and version.
        return self._builder.info.full_name

    def batches(
        self, order: Order, batch_size: int, drop_remainder: bool
    ) -> tf.data.Dataset:
        records = shuffled_records(
            self._records(order),
            order,
            shuffle_buffer(self.num_images, self._num_bytes()),
        )
        images = records.map(self._decode, num_parallel_calls=tf.data.AUTOTUNE)
        return images.batch(batch_size, drop_remainder)

    def _decode(self, record):
        # The package itself writes JPEG and PNG alone, and does not turn them.
        image = decode_image(
            record.pop("encoded"), channels=max(self._native_channels, 3)
        )
        return {
            "image": convert(image, self.image_shape, self._resize),
            **record,
        }

    def _num_bytes(self):
        """About the bytes of this split's records."""
        info = self._builder.info
        everything = sum(split.num_examples for split in info.splits.values())
        return info.dataset_size * self.num_images // max(everything, 1)

    def _records(self, order):
        """The records of all files, in the order of the epoch."""
        # A data set that was prepared in a fixed order is read in it.
        fixed = self._builder.info.disable_shuffling
        files_matter = self._files is not None and self._files.num_files > 1
        if order.rows is not None:
            examples = self._part(order.rows)
        elif order.seed is None or fixed or not files_matter:
            examples = self._examples(interleave_cycle_length=1).enumerate()
        else:
            examples = self._examples(
                shuffle_files=True,
                add_tfds_id=True,
                shuffle_seed=order.seed,
                shuffle_reshuffle_each_iteration=False,
            ).map(lambda one: (self._files.index(one["tfds_id"]), one))

        def record(index, example):
            found = {"index": index, "encoded": example[self._image_key]}
            if self._label_key:
                found["label"] = tf.cast(example[self._label_key], tf.int64)
            return found

        return examples.map(record)

    def _part(self, rows):
        """The examples of a range of indices, with these."""
        # Mock data have no splits; of a slice or a sum no slice can be taken.
        if rows and self._split in (self._builder.info.splits or ()):
            # Opens only the files that hold them.
            split = f"{self._split}[{rows.start}:{rows.stop}]"
            examples = self._examples(split, interleave_cycle_length=1)
        else:
            examples = self._examples(interleave_cycle_length=1)
            examples = examples.skip(rows.start).take(len(rows))
        return examples.enumerate(rows.start)

    def _examples(self, split=None, shuffle_files=False, **read_config):
        import tensorflow_datasets as tfds

        keys = filter(None, (self._image_key, self._label_key))
        return self._builder.as_dataset(
            split=split or self._split,
            shuffle_files=shuffle_files,
            decoders=tfds.decode.PartialDecoding(
                {key: True for key in keys},
                decoders={self._image_key: tfds.decode.SkipDecoding()},
            ),
            read_config=tfds.ReadConfig(
                try_autocache=False, skip_prefetch=True, **read_config
            ),
        )


class _FileTable:
    """Turns the name of an example into its place in the split."""

    def __init__(self, split_info):
        files = split_info.file_instructions
        takes = [file.take for file in files]
        self.num_files = len(files)
        self._names = tf.constant(
            [os.path.basename(file.filename) for file in files]
        )
        self._begins = tf.constant([file.skip for file in files], tf.int64)
        self._ends = self._begins + tf.constant(takes, tf.int64)
        self._offsets = tf.constant(
            np.cumsum([0, *takes[:-1]]).astype(np.int64)
        )

    def index(self, tfds_id):
        """`"name-00003-of-00008__12"` is example 12 of the fourth file."""
        parts = tf.strings.regex_replace(tfds_id, r"^.*__(\d+)$", r"\1")
        place = tf.strings.to_number(parts, tf.int64)
        name = tf.strings.regex_replace(tfds_id, r"^(.*/)?(.*)__\d+$", r"\2")
        # Slices may take several parts of one file.
        here = tf.logical_and(place >= self._begins, place < self._ends)
        row = tf.argmax(
            tf.cast(tf.logical_and(self._names == name, here), tf.int8)
        )
        return (
            tf.gather(self._offsets, row) + place - tf.gather(self._begins, row)
        )


def open_tensorflow_datasets(
    name: str,
    split: str,
    *,
    image_size: Any = None,
    channels: int | None = None,
    data_dir: str | None = None,
) -> TensorFlowDatasetsSource:
    """Opens a split of a data set of tensorflow-datasets.

    What is not prepared yet is downloaded and prepared, where there is a
    network.

    Args:
        name: str. A name, perhaps with a configuration and a version, such
            as `"cifar10"` or `"imagenet_resized/64x64"`; or a folder that
            holds one prepared version.
        split: str. Such as `"train"`, `"train[:10%]"`, `"train+test"`.
        image_size: int, `(height, width)` or `None`.
        channels: int or `None`.
        data_dir: str or `None`. Where prepared data sets lie; `None` is
            tensorflow-datasets' own folder.

    Raises:
        ValueError: if the name or the split is unknown or has no images.
        FileNotFoundError: if the data are neither prepared nor to be had.
    """
    builder = _find_builder(name, data_dir)
    if _is_missing(builder, split):
        _prepare(builder)
    _check_split(builder, split)
    return TensorFlowDatasetsSource(
        builder, split, parse_image_size(image_size), channels
    )


def _find_builder(name, data_dir):
    import tensorflow_datasets as tfds

    if os.path.isdir(name):
        return tfds.builder_from_directory(name)
    try:
        return tfds.builder(name, data_dir=data_dir)
    except tfds.core.DatasetNotFoundError:
        raise ValueError(_unknown_name(name, data_dir)) from None
    except Exception as error:
        raise ValueError(
            f"tensorflow-datasets cannot open {name!r}: {in_one_line(error)}"
        ) from None


def _unknown_name(name, data_dir):
    import tensorflow_datasets as tfds

    root = pathlib.Path(data_dir or tfds.core.constants.DATA_DIR).expanduser()
    prepared = [child.name for child in root.glob("*") if child.is_dir()]
    known = sorted({*tfds.list_builders(), *prepared, "digits"})
    near = difflib.get_close_matches(re.split("[/:]", name)[0], known, n=3)
    hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
    return (
        f"Unknown source {name!r}: no file or folder of this name exists, and "
        f"tensorflow-datasets does not know it.{hint}"
    )


def _is_missing(builder, split):
    if builder.is_prepared():
        return False
    try:
        # Mock data need no files.
        builder.as_dataset(split=split)
    except Exception:
        return True
    return False


def _prepare(builder):
    name = builder.info.full_name
    advice = (
        f"Prepare it where there is a network (`tfds build {builder.name}`), "
        f"copy it to {builder.data_dir} or name its folder with data_dir=."
    )
    if not _has_network(builder):
        raise FileNotFoundError(
            f"The data set {name} is not prepared, and there is no network to "
            f"download it from. {advice}"
        )
    try:
        builder.download_and_prepare()
    except Exception as error:
        raise FileNotFoundError(
            f"The data set {name} is not prepared and could not be "
            f"downloaded: {in_one_line(error)} {advice}"
        ) from None


def _has_network(builder):
    # Downloads are retried for minutes; whether names resolve is known at
    # once. A proxy resolves them itself.
    if urllib.request.getproxies():
        return True
    pages = (str(builder.info.homepage or ""), _CATALOGUE)
    hosts = [urllib.parse.urlsplit(page).hostname for page in pages]
    found = []

    def resolve():
        for host in filter(None, hosts):
            try:
                found.extend(socket.getaddrinfo(host, 443))
                return
            except OSError:
                continue

    thread = threading.Thread(target=resolve, daemon=True)
    thread.start()
    thread.join(_NETWORK_SECONDS)
    return bool(found)


def _check_split(builder, split):
    splits = builder.info.splits
    if not splits:  # Mock data have any split.
        return
    try:
        _ = splits[split].num_examples
    except (ValueError, KeyError, AssertionError) as error:
        raise ValueError(
            f"{builder.name} has no split {split!r}: {in_one_line(error)} Its "
            f"splits: {', '.join(sorted(splits))}; slices are written "
            "'train[:10%]'."
        ) from None


def _image_feature(builder):
    import tensorflow_datasets as tfds

    images = {
        key: feature
        for key, feature in builder.info.features.items()
        if isinstance(feature, tfds.features.Image)
    }
    key = "image" if "image" in images else next(iter(images), None)
    if key is None or (key != "image" and len(images) > 1):
        raise ValueError(
            f"Expected {builder.name} to have one image in each example. "
            f"Received: {list(builder.info.features)}"
        )
    if images[key].np_dtype != np.uint8:
        raise ValueError(
            f"The images of {builder.name} must be uint8. Received: "
            f"{np.dtype(images[key].np_dtype).name}"
        )
    return key, images[key]


def _label_feature(builder):
    import tensorflow_datasets as tfds

    features = builder.info.features
    labels = [
        key
        for key, feature in features.items()
        if isinstance(feature, tfds.features.ClassLabel)
    ]
    key = "label" if "label" in labels else labels[0] if labels else None
    if key != "label" and len(labels) != 1:
        return None, None
    return key, features[key].names


def _count(examples):
    cardinality = int(examples.cardinality())
    if cardinality >= 0:
        return cardinality
    return int(examples.reduce(np.int64(0), lambda count, _: count + 1))
