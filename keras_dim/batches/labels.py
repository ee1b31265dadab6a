"""Checks of labels: whole numbers, one to an image, and -1 for no label."""

import re
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_dim.batches.forms import columns as columns_of
from keras_dim.batches.forms import dtype_name
from keras_dim.batches.forms import is_whole
from keras_dim.batches.forms import known_shape
from keras_dim.batches.forms import refuse_no_data_set
from keras_dim.batches.forms import unpacked
from keras_dim.batches.pixels import check
from keras_dim.batches.pixels import check_spec

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
            whole numbers `(n,)` or `(n, 1)`.
        who: str. Name of the caller, for the message.
        num_classes: int or `None`. Labels must be below it. Defaults to
            `None`, no limit.
        allow_unlabelled: bool. Whether -1 may stand for no label. Defaults to
            `False`.

    Raises:
        ValueError: for one-hot labels, strings, fractions, and numbers that
            are no class.
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
    """Refuses data without usable labels before training starts.

    Arrays are checked whole; of a `tf.data.Dataset` the known shapes and
    dtypes, of other data sets the first batch. Images may have no label (-1),
    but not all of them. Iterators are refused.

    Args:
        x: labelled images, in any form that `checked` takes.
        image_shape: see `check`.
        who: see `check`.
        num_classes: see `labels_of`.
    """
    refuse_no_data_set(x, who)
    if isinstance(x, Iterator):
        raise ValueError(
            f"{who} is read for every score, and an iterator only once. Pass "
            f"a data set or a list of batches. Received: {type(x).__name__}"
        )
    first = getattr(x, "element_spec", None)
    is_spec = first is not None
    if not is_spec:
        first = x if is_whole(x) else next(iter(x), ())
    first = columns_of(unpacked(first))
    if is_spec:
        image = first["image"]
        check_spec(image.shape, image.dtype, image_shape, who)
        if "label" in first:
            _check_label_spec(first["label"], who)
            return
    elif "label" in first:
        check(first["image"], image_shape, who=who)
    labels = labels_of(first, who, num_classes, allow_unlabelled=True)
    if is_whole(x) and (labels == UNLABELLED).all():
        raise ValueError(
            f"{who} needs labels. All {len(labels)} are {UNLABELLED}, which "
            "stands for no label"
        )


def _check_label_spec(labels, who):
    shape, dtype = known_shape(labels.shape), dtype_name(labels.dtype)
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
