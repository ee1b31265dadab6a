"""The one place that says what a batch of images is, and what labels are."""

import dataclasses
import os
import re
import types
import warnings
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_dim import distribution

# The label of an image that has none, as in STL-10's unlabelled part.
UNLABELLED = -1
# Pixels are looked at in the first, middle and last so many images, and in at
# most so many numbers of each of these three parts.
SAMPLED_IMAGES = 100
SAMPLED_NUMBERS = 2**22
# Numbers of channels that an image may have.
CHANNELS = (1, 2, 3, 4)
# How names of dtypes begin that hold no numbers.
_NO_NUMBERS = ("object", "str", "bytes")


def columns(element: Any) -> dict[str, Any]:
    """Returns a batch, or whole arrays, as a dict of columns.

    Args:
        element: images; `(images,)`; `(images, labels)`; or a dict with
            `"image"` and, where there are any, `"label"` and `"index"`, whose
            other entries are left out. Arrays, eager and symbolic tensors
            are returned as they are, other sequences as arrays.

    Returns:
        dict with `"image"`, and `"label"` and `"index"` where the element has
        them.

    Raises:
        ValueError: for anything else, sample weights among it, and where the
            columns differ in length.
    """
    if isinstance(element, Mapping):
        if "image" not in element:
            raise ValueError(
                "A batch must be images, or a dict with them under 'image'. "
                f"Received a dict with {sorted(map(str, element))}"
            )
        found = {
            name: element[name]
            for name in ("image", "label", "index")
            if element.get(name) is not None
        }
    elif isinstance(element, tuple | list) and not _is_array(element):
        if len(element) == 3:
            raise ValueError(
                "A batch must be images or a pair (images, labels). Received "
                "three entries: sample weights have no meaning here, leave "
                "them out"
            )
        if len(element) not in (1, 2):
            raise ValueError(
                "A batch must be images or a pair (images, labels). Received "
                f"{len(element)} entries; numpy.stack(images) makes one array "
                "of many images"
            )
        found = dict(zip(("image", "label"), element, strict=False))
        if found.get("label", 0) is None:
            del found["label"]
    elif isinstance(element, str | bytes | os.PathLike) or element is None:
        raise ValueError(
            "Images must be an array, a pair (images, labels), a dict with "
            "'image', or a data set of such batches; keras_dim.data.load "
            f"reads files. Received: {element!r}"
        )
    else:
        found = {"image": element}
    found = {
        name: column if _is_array(column) else np.asarray(column)
        for name, column in found.items()
    }
    if _name(found["image"].dtype).startswith(_NO_NUMBERS):
        raise ValueError(
            "Images must be one array of numbers. Received: "
            f"{type(element).__name__} of dtype {found['image'].dtype}"
        )
    _check_lengths(found)
    return found


def images_of(element: Any) -> Any:
    """Returns the images of a batch, of any form that `columns` takes."""
    return columns(element)["image"]


def is_whole(images: Any) -> bool:
    """Returns whether `images` is arrays rather than a data set of batches."""
    if isinstance(images, tuple):
        return bool(images) and _is_array(images[0])
    return isinstance(images, Mapping) or _is_array(images)


def check(
    images: Any,
    image_shape: Sequence[int | None] | None = None,
    min_images: int = 1,
    who: str = "keras_dim",
    why: str = "",
) -> None:
    """Refuses arrays that are no raw pixels, or not of the wanted shape.

    Pixels of `uint8` are taken as they are. Of other dtypes the first, middle
    and last 100 images are looked at (fewer of large images), so that the
    check costs little however many images there are. Refused are NaN, values
    below 0 or above 255, and fractions in [0, 1]; black and white images of 0
    and 1 are warned about.

    Args:
        images: array or eager tensor.
        image_shape: sequence of int or `None`. `(height, width, channels)`,
            `None` for any number. Defaults to `None`, any image.
        min_images: int. Defaults to `1`.
        who: str. What takes the images, for the message.
        why: str. Why fewer than `min_images` do not do, for the message.

    Raises:
        ValueError: as said, in one line with what came, what was expected and
            how to mend it.
    """
    check_spec(images.shape, images.dtype, image_shape, who)
    if len(images) < max(min_images, 1):
        _refuse_few(len(images), min_images, who, why)
    if _name(images.dtype) != "uint8":
        _check_pixels(_sample(images), _name(images.dtype), who)


def check_spec(
    shape: Sequence[int | None],
    dtype: Any,
    image_shape: Sequence[int | None] | None = None,
    who: str = "keras_dim",
) -> None:
    """Refuses shapes and dtypes that no batch of images has.

    Args:
        shape: sequence of int or `None`. Of the batch, `None` where it is not
            known.
        dtype: the images' dtype.
        image_shape: see `check`.
        who: see `check`.

    Raises:
        ValueError: as `check` does.
    """
    refuse_channels_first(who)
    shape = _known(shape)
    if _name(dtype) == "bool":
        raise ValueError(
            f"{who} expects raw pixels in [0, 255]. Received dtype bool: "
            "pass images.astype('uint8') * 255"
        )
    if shape is None or _fits(shape, image_shape):
        return
    expected = "(images, height, width, channels)"
    if image_shape is not None:
        expected = str((None, *image_shape))
    if len(shape) == 3 and (image_shape is None or len(image_shape) == 3):
        is_one = shape[-1] in CHANNELS
        mend = "images[None]" if is_one else "images[..., None]"
        reason = "one image is a batch" if is_one else "grey is one channel"
        mend = f": {reason} by {mend}; batch a data set"
    elif (
        len(shape) == 4
        and shape[1] in CHANNELS
        and shape[3] not in (*CHANNELS, None)
    ):
        mend = (
            ", which has the channels first: put them last by "
            "numpy.transpose(images, (0, 2, 3, 1))"
        )
    else:
        mend = (
            ": resize the images (data sources take `image_size` and "
            "`channels`), and batch a data set"
        )
    raise ValueError(
        f"{who} expects batches of shape {expected}. The images do not fit. "
        f"Received: {shape}{mend}"
    )


def refuse_channels_first(who: str = "keras_dim") -> None:
    """Raises a `ValueError` where Keras is set to `"channels_first"`."""
    if keras.config.image_data_format() == "channels_first":
        raise ValueError(
            f"{who} expects channels last, and Keras is set to "
            "'channels_first': call keras.config.set_image_data_format("
            "'channels_last') before anything is built"
        )


def checked(
    x: Any,
    image_shape: Sequence[int | None] | None = None,
    min_images: int = 1,
    who: str = "keras_dim",
    why: str = "",
    *,
    batch_size: int | None = None,
    in_order: bool = False,
    view_names: Sequence[str] = (),
) -> Any:
    """Checks what `fit`, `predict` and probes are given, as `check` does.

    Arrays are checked at once. Of a data set, the shapes and dtypes that are
    known are checked at once, and the rest batch by batch as they come: no
    batch is taken from it beforehand, and order, length and determinism stay.
    An error within TensorFlow's graph is made one line by
    `distribution.value_errors`.

    Args:
        x: arrays in any form that `columns` takes, or a data set of such
            batches: a `tf.data.Dataset`, a `keras.utils.PyDataset`, an
            iterator or another iterable.
        image_shape: see `check`.
        min_images: int. Least number of images: of arrays, or of each batch.
        who: see `check`.
        why: see `check`.
        batch_size: int or `None`. What arrays will be cut to: their last
            batch, too, must have `min_images`. Defaults to `None`.
        in_order: bool. Whether to warn where batches come with an `"index"`
            that does not rise, as from a shuffled data set: rows of features
            could not be matched with their images. Defaults to `False`.
        view_names: sequence of str. A batch may also be a dict of these views
            of its images, of which the first is checked. Defaults to `()`.

    Returns:
        `x` itself where nothing is left to be checked; or a data set of its
        batches, a generator where `x` is an iterator.

    Raises:
        ValueError: see `check`.
    """
    door = _Door(
        _tuple(image_shape), min_images, who, why, in_order, tuple(view_names)
    )
    if is_whole(x):
        found = door.columns(x)
        door(found)
        if batch_size is not None:
            _check_rest(len(found["image"]), batch_size, min_images, who, why)
        return x
    _refuse_no_data_set(x, who)
    if not hasattr(x, "element_spec"):
        door.one_by_one = getattr(x, "workers", 1) == 1
        return mapped(x, door.passed)
    if not hasattr(x, "map"):
        # A data set that a strategy has dealt out already.
        return x
    return _checked_graph(x, door)


def refuse_supervision(**arguments: Any) -> None:
    """Raises a `ValueError` for arguments of Keras that need labels.

    Args:
        **arguments: those of `compile` and `fit` that are `None` by default:
            `loss`, `metrics`, `class_weight`, `sample_weight` and the like.
    """
    for name, value in arguments.items():
        if value is not None:
            raise ValueError(
                f"`{name}` has no meaning here, because the loss of a method "
                "is made of images alone: leave it out. evaluation.OnlineProbe "
                f"and ProbeCallback take labels. Received: {name}={value!r}"
            )


def images_alone(x: Any) -> Any:
    """Returns arrays or a data set without labels and indices.

    Args:
        x: what `checked` takes or returns.
    """
    return images_of(x) if is_whole(x) else mapped(x, images_of)


def mapped(x: Any, function: Callable[[Any], Any]) -> Any:
    """Returns a data set of the batches of another, each through a function.

    Args:
        x: data set, see `checked`.
        function: function of a batch. It sees symbolic tensors where `x` is a
            `tf.data.Dataset`.
    """
    if hasattr(x, "element_spec"):
        return x.map(lambda *element: function(_unpacked(element)))
    if hasattr(x, "map") and isinstance(x, keras.utils.PyDataset):
        return x.map(function)
    if isinstance(x, keras.utils.PyDataset):
        return _MappedDataset(x, function)
    if isinstance(x, Iterator):
        return (function(batch) for batch in x)
    return _MappedIterable(x, function)


def iterate(
    x: Any, batch_size: int | None = None, who: str = "keras_dim"
) -> Iterator[dict[str, np.ndarray]]:
    """Yields arrays or a data set in batches, as dicts of NumPy arrays.

    Args:
        x: what `checked` takes or returns.
        batch_size: int or `None`. Most images in a batch. Batches of a data
            set are cut to it, never joined. Defaults to `None`, as they come.
        who: see `check`.

    Raises:
        ValueError: for what is no batch of images, and for a data set that
            repeats for ever.
    """
    _refuse_no_data_set(x, who)
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


def labels_of(
    columns: Any,
    who: str = "A probe",
    num_classes: int | None = None,
    allow_unlabelled: bool = False,
) -> np.ndarray:
    """Returns labels as numbers, int64 `(n,)`.

    Args:
        columns: dict with `"label"`, as `columns` returns it; or the labels:
            whole numbers `(n,)` or `(n, 1)`.
        who: str. What takes the labels, for the message.
        num_classes: int or `None`. Labels must be from 0 to below it.
            Defaults to `None`, any whole numbers.
        allow_unlabelled: bool. Whether -1 may stand for no label. Defaults to
            `False`.

    Raises:
        ValueError: for one-hot labels, strings, fractions, and numbers that
            are no class.
    """
    labels = columns
    if isinstance(columns, Mapping):
        if columns.get("label") is None:
            raise ValueError(
                f"{who} needs labels. Received images alone: pass a pair "
                "(images, labels), or a data set with 'label'"
            )
        labels = columns["label"]
    if hasattr(labels, "numpy"):
        labels = keras.ops.convert_to_numpy(labels)
    labels = np.asarray(labels)
    _check_label_spec(labels.shape, labels.dtype, who)
    if not np.array_equal(labels, np.floor(labels)):
        raise ValueError(
            f"{who} expects labels that are whole numbers. Received NaN or "
            f"fractions, of dtype {labels.dtype}"
        )
    labels = labels.astype("int64").reshape(len(labels))
    num_unlabelled = np.count_nonzero(labels == UNLABELLED)
    if num_unlabelled and not allow_unlabelled:
        raise ValueError(
            f"{who} needs a label for every image. Received {UNLABELLED}, "
            f"which stands for no label, in {num_unlabelled} of {len(labels)} "
            "rows: leave them out, as images[labels >= 0] does"
        )
    if num_classes is not None and len(labels):
        least, most = labels.min(), labels.max()
        if least < UNLABELLED or most >= num_classes:
            raise ValueError(
                f"{who} expects labels from 0 to {num_classes - 1}. Received "
                f"labels from {least} to {most}: numpy.unique(labels, "
                "return_inverse=True)[1] counts classes from 0"
            )
    return labels


def check_labelled(
    x: Any,
    image_shape: Sequence[int | None] | None = None,
    who: str = "A probe",
    num_classes: int | None = None,
) -> None:
    """Refuses what a probe cannot use, before the training that it follows.

    Arrays are checked whole. Of a `tf.data.Dataset` the known shapes and
    dtypes are checked, of other data sets the first batch. Images labelled -1
    have no label; there must be others.

    Args:
        x: labelled images, in any form that `checked` takes but iterators,
            which a second score would find empty.
        image_shape: see `check`.
        who: see `check`.
        num_classes: see `labels_of`.

    Raises:
        ValueError: as `check` and `labels_of` do.
    """
    _refuse_no_data_set(x, who)
    if isinstance(x, Iterator):
        raise ValueError(
            f"{who} is read for every score, and an iterator only once. Pass "
            f"a data set or a list of batches. Received: {type(x).__name__}"
        )
    spec = getattr(x, "element_spec", None)
    if spec is not None:
        spec = columns(_unpacked(spec))
        check_spec(spec["image"].shape, spec["image"].dtype, image_shape, who)
        if "label" in spec:
            _check_label_spec(spec["label"].shape, spec["label"].dtype, who)
            return
    first = spec or columns(x if is_whole(x) else next(iter(x), ()))
    if "label" in first:
        check(first["image"], image_shape, who=who)
    labels = labels_of(first, who, num_classes, allow_unlabelled=True)
    if is_whole(x) and (labels == UNLABELLED).all():
        raise ValueError(
            f"{who} needs labels. All {len(labels)} are {UNLABELLED}, which "
            "stands for no label"
        )


@dataclasses.dataclass
class _Door:
    """Checks one batch after the other."""

    image_shape: tuple[int | None, ...] | None
    min_images: int
    who: str
    why: str
    in_order: bool
    view_names: tuple[str, ...] = ()
    # Several workers take batches of a `PyDataset` in any order.
    one_by_one: bool = True
    _first_index: int | None = None
    _last_index: int | None = None

    def columns(self, element: Any) -> dict[str, Any]:
        """Returns the columns of a batch; the first view as the images."""
        name = self.image_name(element)
        return columns(element if name == "image" else element[name])

    def image_name(self, element: Any) -> str:
        """Returns the entry of a dict that holds the images."""
        is_views = (
            isinstance(element, Mapping)
            and "image" not in element
            and self.view_names
            and set(self.view_names) <= set(element)
        )
        return self.view_names[0] if is_views else "image"

    def __call__(self, found: Mapping[str, Any]) -> None:
        check(
            found["image"],
            self.image_shape,
            self.min_images,
            self.who,
            self.why,
        )
        if self.in_order and "index" in found:
            self._check_order(np.asarray(found["index"]))

    def passed(self, element: Any) -> Any:
        """Returns a batch as it is, once it has been checked."""
        self(self.columns(element))
        return element

    def _check_order(self, index):
        if self._first_index is None:
            self._first_index = index[0]
        is_next = self.one_by_one and index[0] != self._first_index
        before = [self._last_index] if is_next else []
        self._last_index = index[-1]
        if (np.diff(np.concatenate([before, index])) <= 0).any():
            self.in_order = False
            warnings.warn(
                f"{self.who} returns rows in the order in which the data set "
                "gives the images, which is not the order of their 'index': "
                "it is shuffled, and its last images may be left out. Pass "
                "keras_dim.data.load(..., shuffle=False), or take "
                "keras_dim.evaluation.extract, which returns the index, too",
                stacklevel=2,
            )


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
    """What can be iterated over again, each batch through a function."""

    batches: Iterable[Any]
    function: Callable[[Any], Any]

    def __iter__(self):
        return map(self.function, self.batches)


def _checked_graph(dataset, door):
    spec = door.columns(_unpacked(dataset.element_spec))
    images = spec["image"]
    shape = _known(images.shape)
    check_spec(images.shape, images.dtype, door.image_shape, door.who)
    is_sure = _name(images.dtype) == "uint8" and shape and None not in shape[1:]
    num_images = shape[0] if shape else None
    if num_images is not None and num_images < door.min_images:
        _refuse_few(num_images, door.min_images, door.who, door.why)
    if num_images is None and door.min_images > 1:
        is_sure = False
    if is_sure and not (door.in_order and "index" in spec):
        return dataset

    def watched(element):
        image = distribution.after_call(door, door.columns(element))
        if isinstance(element, Mapping):
            return {**element, door.image_name(element): image}
        if isinstance(element, tuple | list):
            return (image, *element[1:])
        return image

    return mapped(dataset, watched)


def _unpacked(element):
    # A data set hands the entries of a tuple one by one.
    is_packed = isinstance(element, tuple | types.GeneratorType)
    return element[0] if is_packed and len(element) == 1 else element


def _is_array(value):
    return hasattr(value, "shape") and hasattr(value, "dtype")


def _name(dtype):
    return getattr(dtype, "name", str(dtype))


def _tuple(shape):
    return None if shape is None else tuple(shape)


def _known(shape):
    """A static shape as a tuple, or `None` where even the rank is unknown."""
    rank = getattr(shape, "rank", 0)
    return None if rank is None else tuple(shape)


def _fits(shape, image_shape):
    if image_shape is None:
        return len(shape) == 4 and not (
            shape[1] in CHANNELS
            and shape[3] not in (*CHANNELS, None)
            and (shape[2] is None or shape[2] not in CHANNELS)
        )
    return len(shape) == len(image_shape) + 1 and all(
        None in (expected, received) or expected == received
        for expected, received in zip(image_shape, shape[1:], strict=True)
    )


def _refuse_no_data_set(x, who):
    if isinstance(x, str | bytes | os.PathLike) or not (
        is_whole(x) or isinstance(x, Iterable) or hasattr(x, "element_spec")
    ):
        raise ValueError(
            f"{who} expects images: an array, a pair of arrays (images, "
            "labels), a dict of arrays, or a data set of such batches, which "
            f"keras_dim.data.load makes of files. Received: {x!r}, of type "
            f"{type(x).__name__}"
        )


def _check_lengths(found):
    num_images = None
    for name, column in found.items():
        shape = _known(column.shape)
        if shape == ():
            raise ValueError(
                f"There must be one {name!r} for every image of a batch. "
                "Received a single value"
            )
        num_rows = shape[0] if shape else None
        if name == "image":
            num_images = num_rows
        elif None not in (num_rows, num_images) and num_rows != num_images:
            raise ValueError(
                f"There must be one {name!r} for every image. Received "
                f"{num_rows} for {num_images} images"
            )


def _check_label_spec(shape, dtype, who):
    shape = _known(shape)
    expected = f"{who} expects labels that are whole numbers, one to an image."
    received = f"Received labels of dtype {_name(dtype)}, shape {shape}"
    if not re.match("bool|u?int|float|bfloat", _name(dtype)):
        raise ValueError(
            f"{expected} {received}: turn names into numbers with "
            "numpy.unique(labels, return_inverse=True)[1]"
        )
    if (
        shape is not None
        and len(shape) != 1
        and (len(shape), shape[-1])
        != (
            2,
            1,
        )
    ):
        raise ValueError(
            f"{expected} {received}: turn one-hot labels into numbers with "
            "numpy.argmax(labels, axis=-1)"
        )


def _check_rest(num_images, batch_size, min_images, who, why):
    rest = num_images % batch_size
    if 0 < rest < min_images and num_images > batch_size:
        raise ValueError(
            f"{who} cannot use the last batch, of {rest} image(s)"
            f"{why and f': {why}'}. Expected {min_images} or more. Received "
            f"{num_images} images in batches of {batch_size}: pass another "
            f"batch_size, or leave out the last {rest} image(s)"
        )
    if batch_size < min_images:
        _refuse_few(batch_size, min_images, who, why)


def _refuse_few(num_images, min_images, who, why):
    if not num_images:
        raise ValueError(
            "There are no images. Received an empty array or data set."
        )
    raise ValueError(
        f"{who} expects {min_images} images or more in a batch"
        f"{why and f': {why}'}. Received {num_images}: pass another batch_size "
        "or, at the end of a data set, drop_remainder=True"
    )


def _sample(images):
    size = max(int(np.prod(images.shape[1:])), 1)
    length = max(1, min(SAMPLED_IMAGES, SAMPLED_NUMBERS // size))
    if len(images) <= 3 * length:
        return keras.ops.convert_to_numpy(images)
    middle = len(images) // 2
    return np.concatenate(
        [
            keras.ops.convert_to_numpy(part)
            for part in (
                images[:length],
                images[middle : middle + length],
                images[-length:],
            )
        ]
    )


def _check_pixels(pixels, dtype, who):
    if not pixels.size:
        raise ValueError(
            f"{who} expects images with pixels. Received shape: {pixels.shape}"
        )
    if dtype == "bfloat16":
        pixels = pixels.astype("float32")
    low, high = float(pixels.min()), float(pixels.max())
    expected = f"{who} expects raw pixels in [0, 255]."
    received = f"Received {dtype} values from {low:g} to {high:g}"
    # Half a step may be the error of a resizing.
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ValueError(f"{expected} {received}: images must be finite")
    if low < -0.5 and high <= 1:
        raise ValueError(
            f"{expected} {received}: pass (images + 1) * 127.5 where they are "
            "in [-1, 1]"
        )
    if high > 255.5 and dtype in ("uint16", "int32", "int64", "uint32"):
        raise ValueError(
            f"{expected} {received}: pass (images // 257).astype('uint8') "
            "where they have 16 bits"
        )
    if low < -0.5 or high > 255.5 or (low < 0 and high <= 1):
        raise ValueError(
            f"{expected} {received}: undo their standardisation, or pass "
            "numpy.clip(images, 0, 255)"
        )
    if not 0 < high <= 1:
        return
    if (pixels != np.rint(pixels)).any():
        raise ValueError(
            f"{expected} {received}, which is nearly black: pass images * 255"
        )
    warnings.warn(
        f"{expected} {received}, which is nearly black: pass images * 255 if 1 "
        "is white, images.astype('uint8') if it is meant",
        stacklevel=4,
    )
