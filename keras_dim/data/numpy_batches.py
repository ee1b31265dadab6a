"""Batches in a reproducible order for the backends without tf.data."""

import concurrent.futures
import functools
import itertools
import threading
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from keras_dim.data.order import Order
from keras_dim.data.order import ordered_rows
from keras_dim.data.source import Source

# Images are decoded ahead of their batch, in threads: at most so many, or as
# many as two batches have.
_LEAST_AHEAD = 64


class NumpyBatches(keras.utils.PyDataset):
    """What `load` gives where Keras runs without TensorFlow.

    Each iteration is one epoch, in the order and of the images that the
    dataset of `tf.data` would give. In `fit`, `evaluate` and `predict` the
    next epoch begins when the last batch of one has been handed out and
    Keras tells that its epoch is over; pass `shuffle=False` to a `fit` that
    is not a method's, as Keras would shuffle the batches otherwise.

    Args:
        passes: iterator of `Pass`, one for each epoch.
        numbers: range. The batches of an epoch to hand out.
        function: function of a batch, or `None`. See `map`.
    """

    def __init__(
        self,
        passes: "Iterator[Pass]",
        numbers: range,
        function: Callable[[dict[str, np.ndarray]], Any] | None = None,
    ):
        # One worker: images are decoded in threads of their own, and the
        # batches need to come in their order.
        super().__init__(workers=1)
        self._passes = passes
        self._numbers = numbers
        self._function = function
        self._pass: Pass | None = None
        self._is_over = False
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, number: int) -> Any:
        if number not in range(len(self._numbers)):
            raise IndexError(
                f"There are {len(self._numbers)} batches. Received: {number}"
            )
        with self._lock:
            if self._pass is None:
                self._pass = next(self._passes)
            if number == len(self._numbers) - 1:
                self._is_over = True
            return self._finished(self._pass.batch(self._numbers[number]))

    def __iter__(self) -> Iterator[Any]:
        with self._lock:
            epoch = next(self._passes)
        for number in self._numbers:
            batch = epoch.batch(number)
            if not len(batch["index"]):
                # Damaged images have left nothing for the last batches.
                return
            yield self._finished(batch)

    def on_epoch_end(self) -> None:
        # Keras calls this also when it has only looked at the first batch.
        with self._lock:
            if self._is_over:
                self._pass = None
                self._is_over = False

    def map(
        self, function: Callable[[dict[str, np.ndarray]], Any]
    ) -> "NumpyBatches":
        """Returns the same batches, each as `function` gives it back.

        Both share the count of the epochs, as datasets of `tf.data` do.

        Args:
            function: function of a batch.
        """
        own = self._function
        return NumpyBatches(
            self._passes,
            self._numbers,
            function if own is None else lambda batch: function(own(batch)),
        )

    def _finished(self, batch):
        return batch if self._function is None else self._function(batch)


class Pass:
    """One epoch of one shard, batch by batch.

    Images that cannot be decoded are reported to the source and left out;
    the ones behind them move up.

    Args:
        source: `Source` with random access.
        order: `Order`. Its seed is a number or `None`.
        batch_size: int.
        fill: bool. Whether, where damaged images leave the last batches
            short, these are filled with the first images of the epoch: a
            compiled step takes whole batches.
    """

    def __init__(
        self, source: Source, order: Order, batch_size: int, fill: bool
    ):
        self._source = source
        self._rows = ordered_rows(order, source.num_images)
        self._batch_size = batch_size
        self._fill = fill
        # Where the batches begin that are known to.
        self._begins = [0]
        self._ahead: dict[int, concurrent.futures.Future] = {}
        self._next = 0

    def __iter__(self) -> Iterator[dict[str, np.ndarray]]:
        """Yields all images, in batches of which the last may be smaller."""
        for number in itertools.count():
            batch = self.batch(number)
            if not len(batch["index"]):
                return
            yield batch

    def batch(self, number: int) -> dict[str, np.ndarray]:
        """Returns the batch of that number, from 0; empty past the last."""
        if self._source.decoded:
            begin = number * self._batch_size
            return self._source.read(
                self._rows[begin : begin + self._batch_size]
            )
        while len(self._begins) <= number:
            self._decode(len(self._begins) - 1)
        return self._decode(number)

    def _decode(self, number):
        place = self._begins[number]
        images, num_images, is_again = [], 0, False
        while num_images < self._batch_size:
            if place == len(self._rows):
                if not self._fill or (is_again and not num_images):
                    break
                place, is_again = 0, True
            image = self._read(place)
            place += 1
            images.append(image)
            num_images += len(image["index"])
        if len(self._begins) == number + 1:
            self._begins.append(len(self._rows) if is_again else place)
        if not images:
            return self._source.read(self._rows[:0])
        return {
            key: np.concatenate([image[key] for image in images])
            for key in images[0]
        }

    def _read(self, place):
        """The image at a place of the order, alone or, if damaged, none."""
        if place not in self._ahead:
            # Not the one that was thought to come next.
            for future in self._ahead.values():
                future.cancel()
            self._ahead.clear()
            self._next = place
        ahead = max(_LEAST_AHEAD, 2 * self._batch_size)
        while self._next < min(place + ahead, len(self._rows)):
            self._ahead[self._next] = _threads().submit(
                self._source.read, self._rows[self._next : self._next + 1]
            )
            self._next += 1
        image = self._ahead.pop(place).result()
        if not len(image["index"]):
            self._source.report(self._rows[place])
        return image


def batches_of(
    source: Source,
    order: Order,
    batch_size: int,
    drop_remainder: bool,
    numbers: range,
    epoch_seeds: Iterator[int],
    shuffle: bool,
) -> NumpyBatches:
    """Returns epoch after epoch of a source.

    Args:
        source: `Source` with random access.
        order: `Order`. The shard; its seed is that of the epoch.
        batch_size: int.
        drop_remainder: bool. Whether all batches are whole.
        numbers: range. The batches of an epoch to hand out.
        epoch_seeds: iterator of int.
        shuffle: bool. Whether to shuffle by these seeds.
    """
    passes = (
        Pass(
            source,
            Order(
                seed if shuffle else None, order.shard_index, order.num_shards
            ),
            batch_size,
            fill=drop_remainder,
        )
        for seed in epoch_seeds
    )
    return NumpyBatches(passes, numbers)


@functools.cache
def _threads():
    """The threads that decode, of all passes of the process."""
    return concurrent.futures.ThreadPoolExecutor(
        thread_name_prefix="keras_dim_decoding"
    )
