"""Batches in a reproducible order, on any backend."""

import itertools
import os
from collections.abc import Iterator
from collections.abc import Sequence
from typing import TYPE_CHECKING
from typing import Any

import keras
import numpy as np
from absl import logging

from keras_dim import batches
from keras_dim import checks
from keras_dim.data.opening import open_source
from keras_dim.data.order import epoch_seed
from keras_dim.data.reading import Epoch
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
    `first_epoch + n`. The order of an epoch depends on `seed` and its number
    alone, so that a run resumed with `first_epoch=k` sees the batches of an
    unbroken run. Datasets derived from this one (by `map`, `take`, ...) share
    its count.

    Sources of at most 256 MB of pixels are decoded once and held in memory;
    larger ones are decoded in every epoch. TFRecord files and
    tensorflow-datasets that are not held are shuffled by the order of their
    files and a buffer of at most 50,000 encoded images, all others as a whole.

    Args:
        source: The source, as in `open_source`, or an open `Source`.
        split: str or `None`. As in `open_source`. Defaults to `"train"`.
        batch_size: int. Images in a batch. Defaults to `128`.
        image_size, channels, exif_orientation: As in `open_source`.
        shuffle: bool. Defaults to `None`, which shuffles splits that begin
            with "train".
        seed: int. Defaults to `0`.
        first_epoch: int. The epoch of the first iteration. Defaults to `0`.
        first_batch: int. Every iteration leaves out the batches before this
            one, to continue a run within an epoch. Defaults to `0`.
        drop_remainder: bool. Whether to leave out a last, smaller batch.
            Defaults to `None`, the value of `shuffle`.
        shard_index: int. This worker, from 0. Defaults to `0`.
        num_shards: int. Number of workers that each load their own dataset.
            Their images are disjoint and together complete; with
            `drop_remainder` they have equally many batches. Leave it at 1
            for `fit` under a `tf.distribute` strategy, which shards by
            itself. Defaults to `1`.
        data_dir: str or path. As in `open_source`.

    Returns:
        A `tf.data.Dataset` or, where Keras runs on another backend and the
        source is neither TFRecord files nor a data set of
        tensorflow-datasets, a `keras.utils.PyDataset` of the same batches.
        They are dicts of `"image"`, uint8 `(batch, height, width, channels)`,
        `"index"`, int64 `(batch,)`, the same for an image in any order, and,
        where there are labels, `"label"`, int64 `(batch,)`, -1 for unlabelled
        images. Damaged images are left out when they come up; with
        `drop_remainder`, images of other batches of the epoch take their
        place, except in streams of records. The length is therefore not
        always known.

    Raises:
        ValueError, FileNotFoundError, ModuleNotFoundError: as `open_source`
            does; and if an argument is wrong, or no batch would be left.

    Example:

    ```python
    images = keras_dim.data.load("cifar10", split="train", batch_size=128)
    model.fit(images, epochs=10)
    ```
    """
    if shuffle is None:
        shuffle = split is not None and split.startswith("train")
    drop_remainder = shuffle if drop_remainder is None else drop_remainder
    checks.integers(1, batch_size=batch_size, num_shards=num_shards)
    checks.integers(0, num_shards - 1, shard_index=shard_index)
    checks.integers(
        0, seed=seed, first_epoch=first_epoch, first_batch=first_batch
    )
    if keras.config.image_data_format() == "channels_first":
        logging.warning(
            "keras.config.image_data_format() is 'channels_first'. The images "
            "of keras_dim.data are channels last all the same."
        )
    options = checks.given(
        image_size=image_size,
        channels=channels,
        exif_orientation=exif_orientation,
    )
    if not isinstance(source, Source):
        source = open_source(source, split, data_dir=data_dir, **options)
    elif options:
        raise ValueError(
            f"Pass {' and '.join(options)} to `open_source`: the source is "
            "open."
        )
    shard = shard_index, num_shards
    # Before the images are decoded, and after, as some may be damaged.
    _num_batches(source.num_images, batch_size, drop_remainder, *shard)
    images = held_in_memory(source)
    num_batches = _num_batches(
        images.num_images, batch_size, drop_remainder, *shard
    )
    if first_batch >= num_batches:
        raise ValueError(
            f"`first_batch` must be below {num_batches}, the number of batches "
            f"to an epoch. Received: {first_batch}"
        )
    numbers = range(first_batch, num_batches)
    seeds = (
        epoch_seed(seed, epoch) if shuffle else None
        for epoch in itertools.count(first_epoch)
    )
    if not images.random_access or keras.backend.backend() == "tensorflow":
        from keras_dim.data.tensorflow_batches import tensorflow_batches

        return tensorflow_batches(
            images, seeds, batch_size, drop_remainder, numbers, shard
        )
    epochs = (
        Epoch(images, batch_size, None, one, drop_remainder, shard)
        for one in seeds
    )
    return NumpyBatches(epochs, numbers)


def _num_batches(
    num_images, batch_size, drop_remainder, shard_index, num_shards
):
    """Returns the number of batches to an epoch of this worker."""
    share = num_images // num_shards
    if share == 0:
        raise ValueError(
            f"{num_images} image(s) cannot be shared by {num_shards} workers. "
            "Lower `num_shards`."
        )
    if not drop_remainder:
        return -(-len(range(shard_index, num_images, num_shards)) // batch_size)
    if share < batch_size:
        workers = f" for each of {num_shards} workers" if num_shards > 1 else ""
        raise ValueError(
            f"`batch_size` is {batch_size}, but there are only {share} "
            f"images{workers}: no whole batch would be left. Lower "
            "`batch_size` or pass drop_remainder=False."
        )
    return share // batch_size


class NumpyBatches(keras.utils.PyDataset):
    """The result of `load` where Keras does not run on TensorFlow.

    Each iteration is one epoch, with the batches that `tf.data` would give.
    In `fit`, `evaluate` and `predict` an epoch ends when Keras reports its
    end after the last batch. Pass `shuffle=False` to a `fit` of your own, as
    Keras would shuffle the batches. Datasets derived by `map` share the count
    of epochs.
    """

    def __init__(self, epochs: Iterator[Epoch], numbers: range):
        # With one worker, batches are asked for in their order.
        super().__init__(workers=1)
        self._epochs = epochs
        self._numbers = numbers
        self._epoch: Epoch | None = None
        self._is_over = False

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, number: int) -> dict[str, np.ndarray]:
        if number not in range(len(self)):
            raise IndexError(
                f"There are {len(self)} batches. Received: {number}"
            )
        if self._epoch is None:
            self._epoch = next(self._epochs)
        self._is_over = self._is_over or number == len(self) - 1
        return self._epoch.batch(self._numbers[number])

    def __iter__(self) -> Iterator[dict[str, np.ndarray]]:
        return next(self._epochs).batches(self._numbers)

    def on_epoch_end(self) -> None:
        # Keras also calls this after looking at the first batch alone.
        if self._is_over:
            self._epoch = None
            self._is_over = False

    def map(self, function: Any) -> keras.utils.PyDataset:
        """Returns the same batches, each passed through `function`."""
        return batches.mapped(self, function)
