"""Batches and data sets of batches, in any accepted form."""

import dataclasses
import os
import types
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from keras_dim import distribution


def columns(element: Any) -> dict[str, Any]:
    """Returns `"image"`, `"label"` and `"index"` of a batch or whole arrays.

    Sequences become arrays; tensors stay as they are.

    Args:
        element: images `(n, height, width, channels)`; `(images,)`; `(images,
            labels)`; or a dict with `"image"` and perhaps `"label"`, `"index"`
            and others, which are left out.

    Returns:
        dict of those of the three columns that are there.

    Raises:
        ValueError: for anything else, and for columns of different lengths.
    """
    if isinstance(element, Mapping):
        if "image" not in element:
            raise ValueError(
                "A batch must be images, or a dict with them under 'image'. "
                f"Received a dict with {sorted(map(str, element))}"
            )
        found = {key: element.get(key) for key in ("image", "label", "index")}
    elif isinstance(element, tuple | list):
        if len(element) not in (1, 2):
            raise ValueError(
                "A batch must be images or a pair (images, labels). Received "
                f"{len(element)} entries: leave sample weights out, and make "
                "one array of many images by numpy.stack(images)"
            )
        found = dict(zip(("image", "label"), element, strict=False))
    else:
        found = {"image": element}
    if isinstance(found["image"], types.NoneType | str | bytes | os.PathLike):
        raise _no_images(element, "keras_dim")
    found = {
        name: column if is_array(column) else np.asarray(column)
        for name, column in found.items()
        if column is not None
    }
    if dtype_name(found["image"].dtype).startswith(("object", "str", "bytes")):
        raise ValueError(
            "Images must be one array of numbers. Received: "
            f"{type(element).__name__} of dtype {found['image'].dtype}"
        )
    num_images = _num_rows("image", found["image"])
    for name, column in found.items():
        num_rows = _num_rows(name, column)
        if None not in (num_rows, num_images) and num_rows != num_images:
            raise ValueError(
                f"There must be one {name!r} for every image. Received "
                f"{num_rows} for {num_images} images"
            )
    return found


def images_of(element: Any) -> Any:
    """Returns the images of a batch, of any form that `columns` takes."""
    return columns(element)["image"]


def index_of(element: Any) -> Any:
    """Returns the number of each image of a batch in its data set.

    Args:
        element: dict with `"index"`, int `(batch,)`.

    Raises:
        ValueError: for a batch without indices, or with fractions for them.
    """
    index = element.get("index") if isinstance(element, Mapping) else None
    if index is None:
        raise ValueError(
            "A memory bank has a row for each image, and needs the number of "
            "each image in the data set: pass batches that are dicts with "
            "'index', as those of keras_dim.data.load. Received images alone"
        )
    if not dtype_name(index.dtype).startswith(("int", "uint")):
        raise ValueError(
            "'index' must be the integer number of each image in the data "
            f"set. Received: dtype {dtype_name(index.dtype)}"
        )
    return index


def is_whole(images: Any) -> bool:
    """Returns whether `images` is arrays rather than a data set of batches."""
    if isinstance(images, tuple):
        return bool(images) and is_array(images[0])
    return isinstance(images, Mapping) or is_array(images)


def mapped(x: Any, function: Callable[[Any], Any]) -> Any:
    """Returns a data set of the batches of another, each through a function.

    The function gets symbolic tensors where `x` is a `tf.data.Dataset`.
    """
    if hasattr(x, "element_spec"):
        return x.map(lambda *element: function(unpacked(element)))
    if isinstance(x, keras.utils.PyDataset):
        return _MappedDataset(x, function)
    if isinstance(x, Iterator):
        # Keras takes only tuples from a generator, of one entry for a dict.
        return (
            function(batch)
            if unpacked(batch) is batch
            else (function(unpacked(batch)),)
            for batch in x
        )
    return _MappedIterable(x, function)


def images_alone(x: Any) -> Any:
    """Returns arrays or a data set without labels and indices."""
    return images_of(x) if is_whole(x) else mapped(x, images_of)


def iterate(
    x: Any, batch_size: int | None = None, who: str = "keras_dim"
) -> Iterator[dict[str, np.ndarray]]:
    """Yields arrays or a data set in batches, as dicts of NumPy arrays.

    Batches of a data set that are larger than `batch_size` are cut; smaller
    ones are not joined. A data set that repeats forever is refused.
    """
    refuse_no_data_set(x, who)
    if _is_endless(x):
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


def _is_endless(x):
    if isinstance(x, keras.utils.PyDataset):
        try:
            return x.num_batches is None
        except NotImplementedError:
            # Keras, too, would iterate forever.
            return True
    cardinality = getattr(x, "cardinality", None)
    # The value of tf.data.
    return callable(cardinality) and int(cardinality()) == -1


def refuse_no_data_set(x, who):
    if isinstance(x, str | bytes | os.PathLike) or not (
        is_whole(x) or isinstance(x, Iterable) or hasattr(x, "element_spec")
    ):
        raise _no_images(x, who)


def refuse_sequence(checked, who):
    """Raises a `ValueError` for a sequence, over which Keras does not iterate.

    Args:
        checked: result of `checked`.
        who: str. Name of the caller, for the message.
    """
    if isinstance(checked, _MappedIterable):
        raise ValueError(
            f"{who} expects arrays, a tf.data.Dataset, a PyDataset or a "
            "generator of batches: make one array of many by "
            "numpy.concatenate(batches), of images by numpy.stack(images). "
            f"Received: {type(checked.batches).__name__}"
        )


def num_images_of(x):
    """Returns how many images a data set has, and whether exactly so many.

    Of a `tf.data.Dataset` of batches of a known size it is the most; None
    where nothing is known.
    """
    if is_whole(x):
        return len(keras.tree.flatten(x)[0]), True
    if hasattr(x, "num_images"):
        return x.num_images and (x.num_images, True)
    shapes = keras.tree.flatten(getattr(x, "element_spec", ()))
    size = known_shape(shapes[0].shape) if shapes else None
    # A data set that a strategy has distributed has no `map`.
    if not size or size[0] is None or not hasattr(x, "map"):
        return None
    # Endless ones, and those of unknown size, have a negative number.
    num_batches = int(x.cardinality())
    return ((num_batches + 1) * size[0] - 1, False) if num_batches > 0 else None


def is_array(value):
    return hasattr(value, "shape") and hasattr(value, "dtype")


def dtype_name(dtype):
    return getattr(dtype, "name", str(dtype))


def known_shape(shape):
    """Returns a static shape as a tuple, `None` where the rank is unknown."""
    return None if getattr(shape, "rank", 0) is None else tuple(shape)


def unpacked(element):
    # A data set passes the entries of a tuple one by one.
    is_packed = isinstance(element, tuple | types.GeneratorType)
    return element[0] if is_packed and len(element) == 1 else element


def _no_images(x, who):
    return ValueError(
        f"{who} expects images: an array, a pair (images, labels), a dict with "
        "'image', or a data set of such batches, which keras_dim.data.load "
        f"makes of files. Received: {x!r}, of type {type(x).__name__}"
    )


def _num_rows(name, column):
    shape = known_shape(column.shape)
    if shape == ():
        raise ValueError(
            f"There must be one {name!r} for every image. Received one value"
        )
    return shape[0] if shape else None


class _MappedDataset(keras.utils.PyDataset):
    map = mapped

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

    def __iter__(self):
        return (self._function(batch) for batch in self._dataset)

    def on_epoch_begin(self):
        self._dataset.on_epoch_begin()

    def on_epoch_end(self):
        self._dataset.on_epoch_end()


@dataclasses.dataclass
class _MappedIterable:
    batches: Iterable[Any]
    function: Callable[[Any], Any]

    def __iter__(self):
        return map(self.function, self.batches)
