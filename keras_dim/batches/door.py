"""Checks of all that is given to `fit`, `predict` and probes."""

import dataclasses
import warnings
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_dim import distribution
from keras_dim.batches.data_sets import mapped
from keras_dim.batches.forms import columns
from keras_dim.batches.forms import dtype_name
from keras_dim.batches.forms import is_whole
from keras_dim.batches.forms import known_shape
from keras_dim.batches.forms import refuse_no_data_set
from keras_dim.batches.forms import unpacked
from keras_dim.batches.pixels import check
from keras_dim.batches.pixels import check_spec
from keras_dim.batches.pixels import refuse_few


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
    """Checks the images given to `fit`, `predict` and probes, as `check` does.

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
        batch_size: int or `None`. Size of the batches that arrays will be
            cut into: the last one, too, must have `min_images`. Defaults to
            `None`.
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
        None if image_shape is None else tuple(image_shape),
        min_images,
        who,
        why,
        in_order,
        tuple(view_names),
    )
    if is_whole(x):
        found = door.columns(x)
        door(found)
        if batch_size is not None:
            _check_rest(len(found["image"]), batch_size, min_images, who, why)
        return x
    refuse_no_data_set(x, who)
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
        found = self.columns(element)
        # A `PyDataset` may end with an empty batch, where images are damaged.
        if len(found["image"]) or self.min_images > 1:
            self(found)
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


def _checked_graph(dataset, door):
    spec = door.columns(unpacked(dataset.element_spec))
    images = spec["image"]
    shape = known_shape(images.shape)
    check_spec(images.shape, images.dtype, door.image_shape, door.who)
    is_sure = (
        dtype_name(images.dtype) == "uint8" and shape and None not in shape[1:]
    )
    num_images = shape[0] if shape else None
    if num_images is not None and num_images < door.min_images:
        refuse_few(num_images, door.min_images, door.who, door.why)
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
        refuse_few(batch_size, min_images, who, why)
