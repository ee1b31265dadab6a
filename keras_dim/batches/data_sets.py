"""Data sets of batches, each batch through a function."""

import dataclasses
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from keras_dim import distribution
from keras_dim.batches.forms import columns
from keras_dim.batches.forms import images_of
from keras_dim.batches.forms import is_whole
from keras_dim.batches.forms import refuse_no_data_set
from keras_dim.batches.forms import unpacked


def mapped(x: Any, function: Callable[[Any], Any]) -> Any:
    """Returns a data set of the batches of another, each through a function.

    Args:
        x: data set, see `checked`.
        function: function of a batch. It sees symbolic tensors where `x` is a
            `tf.data.Dataset`.
    """
    if hasattr(x, "element_spec"):
        return x.map(lambda *element: function(unpacked(element)))
    if hasattr(x, "map") and isinstance(x, keras.utils.PyDataset):
        return x.map(function)
    if isinstance(x, keras.utils.PyDataset):
        return _MappedDataset(x, function)
    if isinstance(x, Iterator):
        return (function(batch) for batch in x)
    return _MappedIterable(x, function)


def images_alone(x: Any) -> Any:
    """Returns arrays or a data set without labels and indices.

    Args:
        x: arrays or a data set, see `checked`.
    """
    return images_of(x) if is_whole(x) else mapped(x, images_of)


def iterate(
    x: Any, batch_size: int | None = None, who: str = "keras_dim"
) -> Iterator[dict[str, np.ndarray]]:
    """Yields arrays or a data set in batches, as dicts of NumPy arrays.

    Args:
        x: arrays or a data set, see `checked`.
        batch_size: int or `None`. Most images in a batch. Batches of a data
            set are cut to it, never joined. Defaults to `None`, as they come.
        who: see `check`.

    Raises:
        ValueError: for anything but images, and for a data set that
            repeats for ever.
    """
    refuse_no_data_set(x, who)
    # tf.data says -1 for a data set without an end.
    cardinality = getattr(x, "cardinality", None)
    if callable(cardinality) and int(cardinality()) == -1:
        raise ValueError(
            "The data set repeats for ever. Leave out `repeat()`, or limit "
            "it with `take(num_batches)`."
        )
    with distribution.value_errors():
        for element in [x] if is_whole(x) else x:
            found = {
                name: keras.ops.convert_to_numpy(column)
                for name, column in columns(element).items()
            }
            num_images = len(found["image"])
            size = batch_size or max(num_images, 1)
            for start in range(0, num_images, size):
                part = slice(start, start + size)
                yield {name: column[part] for name, column in found.items()}


class _MappedDataset(keras.utils.PyDataset):
    """A `PyDataset` whose batches go through a function."""

    def __init__(self, dataset, function):
        super().__init__(
            dataset.workers, dataset.use_multiprocessing, dataset.max_queue_size
        )
        self._dataset = dataset
        self._function = function

    @property
    def num_batches(self):
        return self._dataset.num_batches

    def __len__(self):
        return len(self._dataset)

    def __getitem__(self, index):
        return self._function(self._dataset[index])

    def on_epoch_begin(self):
        self._dataset.on_epoch_begin()

    def on_epoch_end(self):
        self._dataset.on_epoch_end()


@dataclasses.dataclass
class _MappedIterable:
    """An iterable of batches that passes each through a function."""

    batches: Iterable[Any]
    function: Callable[[Any], Any]

    def __iter__(self):
        return map(self.function, self.batches)
