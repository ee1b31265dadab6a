"""Batches in a reproducible order, on any backend."""

import itertools
import os
from collections.abc import Iterator
from collections.abc import Sequence
from typing import TYPE_CHECKING
from typing import Any

import keras
import numpy as np

from keras_dim import batches
from keras_dim import checks
from keras_dim import distribution
from keras_dim.data.opening import open_source
from keras_dim.data.reading import Epoch
from keras_dim.data.reading import epoch_seed
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
    values: str | None = None,
    shuffle: bool | None = None,
    seed: int = 0,
    first_epoch: int = 0,
    first_batch: int = 0,
    drop_remainder: bool | None = None,
    data_dir: str | os.PathLike | None = None,
    as_pairs: bool = False,
) -> "tf.data.Dataset | keras.utils.PyDataset":
    """Loads images as a dataset of batches, ready for `fit`.

    Each iteration over the dataset is one epoch: iteration `n` is epoch
    `first_epoch + n`. The order of an epoch depends only on `seed` and its
    number, so that a run resumed with `first_epoch=k` sees the same batches as
    an uninterrupted run. Datasets derived from this one (by `map`, `take`, ...)
    share its count of epochs.

    Sources of at most 256 MB of pixels are decoded once and held in memory;
    larger ones are decoded in every epoch.

    Args:
        source: The source, as in `open_source`, or an open `Source`.
        split: str or `None`. As in `open_source`. Defaults to `"train"`.
        batch_size: int. Images in a batch. Defaults to `128`.
        image_size, channels, exif_orientation, values: As in `open_source`.
        shuffle: bool. Defaults to `None`, which shuffles splits whose name
            begins with "train", in any capitalisation.
        seed: int. Seed of the order of the images. Defaults to `0`.
        first_epoch: int. The epoch of the first iteration. Defaults to `0`.
        first_batch: int. Every iteration starts with this batch of the epoch,
            to continue a run within an epoch. Defaults to `0`.
        drop_remainder: bool. Whether to leave out a last, smaller batch.
            Defaults to `None`, the value of `shuffle`.
        data_dir: str or path. As in `open_source`.
        as_pairs: bool. Whether batches are pairs of images and labels, as
            `fit` of a classifier takes them, rather than dicts. Images without
            a label are refused. Defaults to `False`.

    Returns:
        A `tf.data.Dataset` or, where Keras runs on another backend, a
        `keras.utils.PyDataset` of the same batches. They are dicts:

        * `"image"`: `(batch, height, width, channels)`, uint8 or of the
          source's `dtype`;
        * `"index"`: int64 `(batch,)`, the number of each image in the source;
        * `"label"`: int64 `(batch,)`, -1 for unlabelled images, if the source
          has labels.

        Damaged images are left out when they are first decoded, so that the
        length is not always known. With `drop_remainder`, other images of the
        epoch replace them.

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
        shuffle = str(split).lower().startswith("train")
    drop_remainder = shuffle if drop_remainder is None else drop_remainder
    checks.integers(1, batch_size=batch_size)
    flags = {"shuffle": shuffle, "drop_remainder": drop_remainder}
    checks.one_of((True, False), as_pairs=as_pairs, **flags)
    checks.integers(
        0, seed=seed, first_epoch=first_epoch, first_batch=first_batch
    )
    options = checks.given(
        image_size=image_size,
        channels=channels,
        exif_orientation=exif_orientation,
        values=values,
    )
    is_opened = isinstance(source, Source)
    if not is_opened:
        source = open_source(source, split, data_dir=data_dir, **options)
    elif options:
        raise ValueError(
            f"Pass {' and '.join(options)} to `open_source`, since the "
            "source is open already."
        )
    # Before the images are decoded, and after, as some may be damaged.
    _num_batches(source.num_images, batch_size, drop_remainder)
    images = held_in_memory(source)
    num_batches = _num_batches(images.num_images, batch_size, drop_remainder)
    if first_batch >= num_batches:
        raise ValueError(
            f"`first_batch` must be below {num_batches}, the number of batches "
            f"in an epoch. Received: {first_batch}"
        )
    numbers = range(first_batch, num_batches)
    epochs = (
        Epoch(
            images,
            batch_size,
            seed=epoch_seed(seed, epoch) if shuffle else None,
            fill=drop_remainder,
        )
        for epoch in itertools.count(first_epoch)
    )
    if keras.backend.backend() != "tensorflow":
        dataset = NumpyBatches(epochs, numbers)
    else:
        size = batch_size if drop_remainder else None
        dataset = _tensorflow_batches(images, epochs, size, numbers)
    if as_pairs:
        return _pairs(dataset, images)
    # `fit` compares it with the size of a queue or a bank. It is not known of
    # an open source, which may have skipped images but kept their indices.
    dataset.num_images = None if is_opened else source.num_images
    return dataset


def _pairs(dataset, source):
    """Returns the same batches as pairs of images and labels."""
    who = f"as_pairs=True: {source.name}"
    if not source.has_labels:
        raise ValueError(f"{who} has no labels: load it without as_pairs")

    def check(batch):
        batches.labels_of(batch, who)

    # Other labels are read together with the images, and checked there.
    is_known = source.labels is not None
    if is_known:
        check({"label": source.labels})

    def pair(batch):
        image = batch["image"]
        if not is_known and isinstance(image, np.ndarray):
            check(batch)
        elif not is_known:
            image = distribution.after_call(check, batch)
        return image, batch["label"]

    return batches.mapped(dataset, pair)


def _tensorflow_batches(source, epochs, size, numbers):
    """Returns a `tf.data.Dataset` of which each iteration is an epoch."""
    import tensorflow as tf

    def epoch():
        try:
            yield from next(epochs).batches(numbers)
        except ValueError as error:
            # `distribution.value_errors` makes it one line again.
            raise ValueError(distribution.refusal(error)) from None

    spec = {
        "image": tf.TensorSpec((size, *source.image_shape), source.dtype),
        "index": tf.TensorSpec((size,), tf.int64),
    }
    if source.has_labels:
        spec["label"] = tf.TensorSpec((size,), tf.int64)
    dataset = tf.data.Dataset.from_generator(epoch, output_signature=spec)
    # If images may be damaged, the length is known only of full batches.
    if source.exact or size is not None:
        dataset = dataset.apply(
            tf.data.experimental.assert_cardinality(len(numbers))
        )
    options = tf.data.Options()
    # Autotuning runs in a thread of its own. An iterator that is deleted while
    # that thread starts, as in `fit` of several replicas, can wait for it
    # forever (TensorFlow 2.21).
    options.autotune.enabled = False
    options.experimental_distribute.auto_shard_policy = (
        tf.data.experimental.AutoShardPolicy.DATA
    )
    return dataset.prefetch(2).with_options(options)


def _num_batches(num_images, batch_size, drop_remainder):
    """Returns the number of batches in an epoch."""
    if not drop_remainder:
        return -(-num_images // batch_size)
    if num_images < batch_size:
        raise ValueError(
            f"`batch_size` is {batch_size}, but there are only {num_images} "
            "images: no full batch would be left. Lower `batch_size` or pass "
            "drop_remainder=False."
        )
    return num_images // batch_size


class NumpyBatches(keras.utils.PyDataset):
    """The result of `load` where Keras does not run on TensorFlow.

    Each iteration is one epoch, with the batches that `tf.data` would give.
    In `fit`, `evaluate` and `predict` an epoch ends when Keras calls
    `on_epoch_end` after the last batch. Pass `shuffle=False` to `fit`, as Keras
    would shuffle the batches. Datasets derived by `map` share the count of
    epochs.
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
        # Keras also calls this after it has read only the first batch.
        if self._is_over:
            self._epoch = None
            self._is_over = False

    def map(self, function: Any) -> keras.utils.PyDataset:
        """Returns the same batches, each passed through `function`."""
        return batches.mapped(self, function)
