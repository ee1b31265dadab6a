"""Batches in a reproducible order, for whichever backend Keras runs on."""

import itertools
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING
from typing import Any

import keras
from absl import logging

from keras_dim.data.opening import open_source
from keras_dim.data.order import Order
from keras_dim.data.order import epoch_seed
from keras_dim.data.reading import held_in_memory
from keras_dim.data.source import Source

if TYPE_CHECKING:
    import tensorflow as tf


def load(
    source: Any,
    split: str | None = "train",
    batch_size: int = 128,
    *,
    image_size: int | Sequence[int] | None = None,
    channels: int | None = None,
    exif_orientation: bool | None = None,
    shuffle: bool | None = None,
    seed: int = 0,
    first_epoch: int = 0,
    first_batch: int = 0,
    drop_remainder: bool | None = None,
    shard_index: int = 0,
    num_shards: int = 1,
    data_dir: str | os.PathLike | None = None,
) -> "tf.data.Dataset | keras.utils.PyDataset":
    """Loads images as a dataset of batches, ready for `fit`.

    Each iteration over the dataset is one epoch: iteration `n` is epoch
    `first_epoch + n`. The order of an epoch is a pure function of `seed` and
    the epoch's number, so that a run that is resumed with `first_epoch=k`
    sees the very batches of an unbroken run. Datasets derived from this one
    (by `map`, `take`, ...) share its count.

    Where Keras runs on TensorFlow, and for TFRecord files and
    tensorflow-datasets anywhere, it is a `tf.data.Dataset`. On another
    backend the rest comes as a `keras.utils.PyDataset` of arrays: the same
    batches in the same order, without TensorFlow.

    Sources of at most 256 MB of pixels are decoded here, once, and held in
    memory. Larger ones are read and decoded anew in every epoch. Folders,
    arrays and what is held in memory are shuffled as a whole; TFRecord files
    and tensorflow-datasets by the order of their files and a buffer of at
    most 50,000 encoded images.

    Args:
        source: What to load, as in `open_source`; or an open `Source`.
        split: str or `None`. As in `open_source`. Defaults to `"train"`.
        batch_size: int. Images in a batch. Defaults to 128.
        image_size: int or `(height, width)`. As in `open_source`. Defaults
            to `None`.
        channels: int. As in `open_source`. Defaults to `None`.
        exif_orientation: bool. As in `open_source`. Defaults to `None`, which
            is `True`.
        shuffle: bool. Whether to shuffle. Defaults to `None`, which shuffles
            splits that begin with "train".
        seed: int. Not negative. Defaults to 0.
        first_epoch: int. The epoch of the first iteration. Defaults to 0.
        first_batch: int. Every iteration leaves out the batches before this
            one, so that a run that was stopped within an epoch can go on
            there: their images are read, and not handed out. Defaults to 0.
        drop_remainder: bool. Whether to leave out a last, smaller batch.
            Defaults to `None`, the same as `shuffle`.
        shard_index: int. This worker, from 0. Defaults to 0.
        num_shards: int. The number of workers that each load their own
            dataset. Their images are disjoint and together complete; with
            `drop_remainder` they have equally many batches. Leave it at 1
            for `fit` under a `tf.distribute` strategy, which shards by
            itself. Defaults to 1.
        data_dir: str or path. As in `open_source`. Defaults to `None`.

    Returns:
        A dataset of dicts: `"image"` uint8 `(batch, height, width,
        channels)`, `"index"` int64 `(batch,)`, the same for an image
        whatever the order, and where there are labels `"label"` int64
        `(batch,)`, -1 for unlabelled images. Its length is known, except for
        large folders and TFRecord files, where damaged images are left out
        when they come up. A `PyDataset` has a length there too: where that
        comes out short, with `drop_remainder` the first images of the epoch
        fill its last batches, else these are small or empty.

    Raises:
        ValueError: if an argument makes no sense, no batch would be left, or
            the source cannot be opened.
        FileNotFoundError: if the source does not exist.
        ModuleNotFoundError: if the source needs TensorFlow, and there is
            none.

    Example:

    ```python
    images = keras_dim.data.load("cifar10", split="train", batch_size=128)
    model.fit(images, epochs=10)
    ```
    """
    if shuffle is None:
        shuffle = split is not None and split.startswith("train")
    drop_remainder = shuffle if drop_remainder is None else drop_remainder
    _check_count("batch_size", batch_size, 1)
    _check_count("num_shards", num_shards, 1)
    _check_count("seed", seed, 0)
    _check_count("first_epoch", first_epoch, 0)
    _check_count("first_batch", first_batch, 0)
    if shard_index not in range(num_shards):
        raise ValueError(
            f"`shard_index` must be from 0 to {num_shards - 1} (num_shards - "
            f"1). Received: {shard_index!r}"
        )
    if keras.config.image_data_format() == "channels_first":
        logging.warning(
            "keras.config.image_data_format() is 'channels_first'. The images "
            "of keras_dim.data are channels last all the same."
        )
    options = {
        "image_size": image_size,
        "channels": channels,
        "exif_orientation": exif_orientation,
    }
    options = {
        key: value for key, value in options.items() if value is not None
    }
    if not isinstance(source, Source):
        source = open_source(source, split, data_dir=data_dir, **options)
    elif options:
        raise ValueError(
            f"Pass {' and '.join(options)} to `open_source`: the source is "
            "open."
        )
    _check_batch_left(source.num_images, batch_size, drop_remainder, num_shards)
    images = held_in_memory(source)
    num_batches = _check_batch_left(
        images.num_images, batch_size, drop_remainder, num_shards
    )
    if not drop_remainder:
        own = len(range(shard_index, images.num_images, num_shards))
        num_batches = -(-own // batch_size)
    if first_batch >= num_batches:
        raise ValueError(
            f"`first_batch` must be below {num_batches}, the number of batches "
            f"to an epoch. Received: {first_batch}"
        )
    if images.uses_tensorflow:
        from keras_dim.data.tensorflow_batches import batches_of
    else:
        from keras_dim.data.numpy_batches import batches_of
    batches = batches_of(
        images,
        Order(None, shard_index, num_shards),
        batch_size,
        drop_remainder,
        range(first_batch, num_batches),
        (epoch_seed(seed, epoch) for epoch in itertools.count(first_epoch)),
        shuffle,
    )
    batches.is_shuffled = shuffle
    batches.drops_remainder = drop_remainder
    return batches


def _check_count(name, value, least):
    whole = isinstance(value, int) or hasattr(value, "__index__")
    if isinstance(value, bool) or not whole or value < least:
        raise ValueError(
            f"`{name}` must be an integer of at least {least}. Received: "
            f"{value!r}"
        )


def _check_batch_left(num_images, batch_size, drop_remainder, num_shards):
    """The whole batches of a shard; refuses to drop the only one."""
    share = num_images // num_shards
    if share == 0:
        raise ValueError(
            f"{num_images} image(s) cannot be shared by {num_shards} workers. "
            "Lower `num_shards`."
        )
    if drop_remainder and share < batch_size:
        workers = f" for each of {num_shards} workers" if num_shards > 1 else ""
        raise ValueError(
            f"`batch_size` is {batch_size}, but there are only {share} "
            f"images{workers}: no whole batch would be left. Lower "
            "`batch_size` or pass drop_remainder=False."
        )
    return share // batch_size
