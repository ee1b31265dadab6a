"""Batches in a reproducible order for backends without `tf.data`."""

from collections.abc import Callable
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from keras_dim.data.reading import Epoch


class NumpyBatches(keras.utils.PyDataset):
    """The result of `load` where Keras does not run on TensorFlow.

    Each iteration is one epoch, with the batches that `tf.data` would give.
    In `fit`, `evaluate` and `predict` an epoch ends when Keras reports its
    end after the last batch. Pass `shuffle=False` to a `fit` of your own, as
    Keras would shuffle the batches.
    """

    def __init__(
        self,
        epochs: Iterator[Epoch],
        numbers: range,
        function: Callable[[dict[str, np.ndarray]], Any] | None = None,
    ):
        # With one worker, batches are asked for in their order.
        super().__init__(workers=1)
        self._epochs = epochs
        self._numbers = numbers
        self._function = function
        self._epoch: Epoch | None = None
        self._is_over = False

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, number: int) -> Any:
        if number not in range(len(self)):
            raise IndexError(
                f"There are {len(self)} batches. Received: {number}"
            )
        if self._epoch is None:
            self._epoch = next(self._epochs)
        self._is_over = self._is_over or number == len(self) - 1
        return self._finished(self._epoch.batch(self._numbers[number]))

    def __iter__(self) -> Iterator[Any]:
        epoch = next(self._epochs)
        for number in self._numbers:
            batch = epoch.batch(number)
            # A batch is empty if all of its images are damaged.
            if len(batch["index"]):
                yield self._finished(batch)

    def on_epoch_end(self) -> None:
        # Keras also calls this after looking at the first batch alone.
        if self._is_over:
            self._epoch = None
            self._is_over = False

    def map(
        self, function: Callable[[dict[str, np.ndarray]], Any]
    ) -> "NumpyBatches":
        """Returns the same batches, each passed through `function`.

        Both data sets share the count of epochs, as with `tf.data`.
        """
        own = self._function
        return NumpyBatches(
            self._epochs,
            self._numbers,
            function if own is None else lambda batch: function(own(batch)),
        )

    def _finished(self, batch):
        return batch if self._function is None else self._function(batch)
