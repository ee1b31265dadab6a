"""Checks of the images that `fit`, `predict` and probes are given."""

import dataclasses
import warnings
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_dim import distribution
from keras_dim.batches import forms
from keras_dim.batches import pixels
from keras_dim.batches.ranges import ValueRange


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
    num_images: int | None = None,
    values: ValueRange | None = None,
) -> Any:
    """Checks the images given to `fit`, `predict` and probes, as `check` does.

    Arrays are checked at once. Of a data set, static shapes and dtypes are
    checked at once, and each batch when it is read. Errors in batches of a
    `tf.data.Dataset` are raised within TensorFlow's graph: call it within
    `distribution.value_errors`, which makes them `ValueError`s of one line.

    Args:
        x: arrays in any form that `columns` takes, or a data set of such
            batches: a `tf.data.Dataset` or another iterable.
        image_shape, min_images, who, why, values: see `check`.
        batch_size: int or `None`. Size of the batches into which arrays will
            be cut. The last one, too, must have `min_images`.
        in_order: bool. Whether to warn of a shuffled data set, as its features
            could not be matched with their images.
        view_names: sequence of str. A batch may also be a dict of these views
            of its images, of which the first is checked.
        num_images: int or `None`. Number of rows of a method's memory bank:
            each batch must have an `"index"` for every image, from 0 to
            `num_images - 1`.

    Returns:
        `x` itself, or the same data set with checks.

    Raises:
        ValueError: for images, indices or a data set that do not fit.
    """
    expected = (image_shape, min_images, who, why, values)
    door = _Door(expected, in_order, view_names, num_images)
    if forms.is_whole(x):
        found = door.columns(x)
        door.check(found)
        if batch_size is not None:
            _check_rest(len(found["image"]), batch_size, min_images, who, why)
        return x
    forms.refuse_no_data_set(x, who)
    if not hasattr(x, "element_spec"):
        # Several workers read the batches of a `PyDataset` in any order.
        door.is_serial = getattr(x, "workers", 1) == 1
        return forms.mapped(x, door.passed)
    if not hasattr(x, "map"):
        # A strategy has distributed this data set already.
        return x
    spec = door.columns(forms.unpacked(x.element_spec))
    images = spec["image"]
    pixels.check_spec(images.shape, images.dtype, image_shape, who)
    size, *axes = forms.known_shape(images.shape) or (None, None)
    if size is not None and size < min_images:
        pixels.refuse_few(size, min_images, who, why)
    if num_images is not None:
        forms.index_of(spec)
    is_known = None not in (axes if min_images == 1 else [size, *axes])
    is_byte = forms.dtype_name(images.dtype) == "uint8" and values is None
    if is_byte and is_known:
        if num_images is None and not (in_order and "index" in spec):
            return x
    return forms.mapped(x, door.watched)


def refuse_supervision(**arguments: Any) -> None:
    """Raises a `ValueError` for arguments of Keras that need labels."""
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

    # `image_shape`, `min_images`, `who`, `why` and `values` of `check`.
    expected: tuple
    in_order: bool
    view_names: Sequence[str]
    num_images: int | None
    is_serial: bool = True
    first: int | None = None
    last: int | None = None

    def image_name(self, element: Any) -> str:
        """Returns the entry of a dict that holds the images."""
        if isinstance(element, Mapping) and "image" not in element:
            if self.view_names and set(self.view_names) <= set(element):
                return self.view_names[0]
        return "image"

    def columns(self, element: Any) -> dict[str, Any]:
        """Returns the columns of a batch, with the first view as images."""
        name = self.image_name(element)
        return forms.columns(element if name == "image" else element[name])

    def check(self, found: Mapping[str, Any]) -> None:
        """Checks the columns of a batch."""
        pixels.check(found["image"], *self.expected)
        if self.num_images is not None:
            index = np.asarray(forms.index_of(found))
            is_known = (index >= 0) & (index < self.num_images)
            if not is_known.all():
                raise ValueError(
                    f"The memory bank has rows for {self.num_images} images. "
                    f"Received an index from {index.min()} to {index.max()}: "
                    "set `num_images` to the number of images in the data set"
                )
        if self.in_order and "index" in found:
            self._check_order(np.asarray(found["index"]))

    def passed(self, element: Any) -> Any:
        """Checks a batch, and returns it as it is."""
        found = self.columns(element)
        # The last batch of a `PyDataset` is empty if its images are damaged.
        if len(found["image"]) or self.expected[1] > 1:
            self.check(found)
        return element

    def watched(self, element: Any) -> Any:
        """Returns a symbolic batch that is checked when it is computed."""
        image = distribution.after_call(self.check, self.columns(element))
        if isinstance(element, Mapping):
            return {**element, self.image_name(element): image}
        if isinstance(element, tuple | list):
            return (image, *element[1:])
        return image

    def _check_order(self, index):
        if self.first is None:
            self.first = index[0]
        # An epoch begins with the first index again.
        is_next = self.is_serial and index[0] != self.first
        before = [self.last] if is_next else []
        self.last = index[-1]
        if (np.diff(np.concatenate([before, index])) <= 0).any():
            self.in_order = False
            warnings.warn(
                f"{self.expected[2]} returns rows in the order of the data "
                "set, which is shuffled and may leave out its last images: "
                "pass keras_dim.data.load(..., shuffle=False), or use "
                "keras_dim.evaluation.extract, which returns the index, too",
                stacklevel=2,
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
        pixels.refuse_few(batch_size, min_images, who, why)
