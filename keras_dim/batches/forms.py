"""A batch of images, in any accepted form, as a dict of columns."""

import os
import types
from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any

import numpy as np

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
    elif isinstance(element, tuple | list) and not is_array(element):
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
        name: column if is_array(column) else np.asarray(column)
        for name, column in found.items()
    }
    if dtype_name(found["image"].dtype).startswith(_NO_NUMBERS):
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
        return bool(images) and is_array(images[0])
    return isinstance(images, Mapping) or is_array(images)


def refuse_no_data_set(x, who):
    if isinstance(x, str | bytes | os.PathLike) or not (
        is_whole(x) or isinstance(x, Iterable) or hasattr(x, "element_spec")
    ):
        raise ValueError(
            f"{who} expects images: an array, a pair of arrays (images, "
            "labels), a dict of arrays, or a data set of such batches, which "
            f"keras_dim.data.load makes of files. Received: {x!r}, of type "
            f"{type(x).__name__}"
        )


def is_array(value):
    return hasattr(value, "shape") and hasattr(value, "dtype")


def dtype_name(dtype):
    return getattr(dtype, "name", str(dtype))


def known_shape(shape):
    """A static shape as a tuple, or `None` where even the rank is unknown."""
    rank = getattr(shape, "rank", 0)
    return None if rank is None else tuple(shape)


def unpacked(element):
    # A data set hands the entries of a tuple one by one.
    is_packed = isinstance(element, tuple | types.GeneratorType)
    return element[0] if is_packed and len(element) == 1 else element


def _check_lengths(found):
    num_images = None
    for name, column in found.items():
        shape = known_shape(column.shape)
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
