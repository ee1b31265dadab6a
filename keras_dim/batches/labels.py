"""Checks of labels: whole numbers, one to an image, and -1 for no label."""

import re
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_dim.batches import forms
from keras_dim.batches import pixels
from keras_dim.batches.ranges import ValueRange

# The label of an image without one, as in STL-10's unlabelled part.
UNLABELLED = -1


def labels_of(
    columns: Any,
    who: str = "A probe",
    num_classes: int | None = None,
    allow_unlabelled: bool = False,
) -> np.ndarray:
    """Returns labels as numbers, int64 `(n,)`.

    Args:
        columns: dict with `"label"`, as `columns` returns it; or the labels:
            whole numbers `(n,)` or `(n, 1)`, of any dtype.
        who: str. Name of the caller, for the message.
        num_classes: int or `None`. Labels must be below it, if it is given.
        allow_unlabelled: bool. Whether -1 may stand for no label.

    Raises:
        ValueError: for one-hot labels, strings, fractions, NaN, and numbers
            that are no class.
    """
    labels = columns
    if isinstance(columns, Mapping):
        labels = columns.get("label")
        if labels is None:
            raise ValueError(
                f"{who} needs labels. Received images alone: pass a pair "
                "(images, labels), or a data set with 'label'"
            )
    if hasattr(labels, "numpy"):
        labels = keras.ops.convert_to_numpy(labels)
    labels = np.asarray(labels)
    _check_label_spec(labels, who)
    if not (np.isfinite(labels) & (labels == np.floor(labels))).all():
        raise ValueError(
            f"{who} expects labels that are whole numbers. Received NaN, "
            f"infinity or fractions, of dtype {labels.dtype}"
        )
    limit, expected = 2.0**63, "0 or more"
    if num_classes is not None:
        limit, expected = num_classes, f"from 0 to {num_classes - 1}"
    is_known = (labels >= UNLABELLED) & (labels < limit)
    if not is_known.all():
        raise ValueError(
            f"{who} expects labels {expected}. Received {labels[~is_known][0]}:"
            " numpy.unique(labels, return_inverse=True)[1] counts from 0"
        )
    labels = labels.astype("int64").reshape(len(labels))
    num_unlabelled = np.count_nonzero(labels == UNLABELLED)
    if num_unlabelled and not allow_unlabelled:
        raise ValueError(
            f"{who} needs a label for every image. Received {UNLABELLED}, "
            f"which stands for no label, in {num_unlabelled} of {len(labels)} "
            "rows: leave them out, as images[labels >= 0] does"
        )
    return labels


def check_labelled(
    x: Any,
    image_shape: Sequence[int | None] | None = None,
    who: str = "A probe",
    num_classes: int | None = None,
    values: ValueRange | None = None,
) -> None:
    """Refuses data without usable labels before training starts.

    Of arrays, all labels are checked; of a `tf.data.Dataset`, static shapes and
    dtypes; of other data sets, the first batch. Some images may have no label
    (-1). Iterators are refused, as they can be read only once.

    Args:
        x: see `checked`.
        image_shape, who, values: see `check`.
        num_classes: see `labels_of`.
    """
    forms.refuse_no_data_set(x, who)
    if isinstance(x, Iterator):
        raise ValueError(
            f"{who} is read for every score, and an iterator only once. Pass "
            f"a data set or a list of batches. Received: {type(x).__name__}"
        )
    first = getattr(x, "element_spec", None)
    is_spec = first is not None
    if not is_spec:
        first = x if forms.is_whole(x) else next(iter(x), ())
    first = forms.columns(forms.unpacked(first))
    if is_spec:
        image = first["image"]
        pixels.check_spec(image.shape, image.dtype, image_shape, who)
        if "label" in first:
            _check_label_spec(first["label"], who)
            return
    elif "label" in first:
        pixels.check(first["image"], image_shape, who=who, values=values)
    labels = labels_of(first, who, num_classes, allow_unlabelled=True)
    if forms.is_whole(x) and (labels == UNLABELLED).all():
        raise ValueError(
            f"{who} needs labels. All {len(labels)} are {UNLABELLED}, which "
            "stands for no label"
        )


def _check_label_spec(labels, who):
    shape = forms.known_shape(labels.shape)
    dtype = forms.dtype_name(labels.dtype)
    message = (
        f"{who} expects labels that are whole numbers, one to an image. "
        f"Received labels of dtype {dtype}, shape {shape}"
    )
    if not re.match("bool|u?int|float|bfloat", dtype):
        raise ValueError(
            f"{message}: turn names into numbers with "
            "numpy.unique(labels, return_inverse=True)[1]"
        )
    if shape is not None and (len(shape), *shape[1:]) not in ((1,), (2, 1)):
        raise ValueError(
            f"{message}: turn one-hot labels into numbers with "
            "numpy.argmax(labels, axis=-1)"
        )
