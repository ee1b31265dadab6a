"""Features and labels of every probe, checked before they are used."""

import dataclasses
from typing import Any

import numpy as np

from keras_dim import batches
from keras_dim.batches import UNLABELLED


@dataclasses.dataclass(frozen=True)
class LabelledFeatures:
    """Features and labels that a probe can work with.

    Args:
        train: float32 array `(num_train, width)`.
        train_labels: int64 array `(num_train,)`: row numbers of `classes`.
        test: float32 array `(num_test, width)`.
        test_labels: int64 array `(num_test,)`: row numbers of `classes`, and
            -1 for a class that is not among the training labels.
        classes: int64 array `(num_classes,)`. The training labels' values.
        note: str. Rows that were left out, as the end of a protocol's
            sentence.
    """

    train: np.ndarray
    train_labels: np.ndarray
    test: np.ndarray
    test_labels: np.ndarray
    classes: np.ndarray
    note: str

    def result(self, predictions: np.ndarray, protocol: str) -> dict[str, Any]:
        """Returns a probe's dict, for predicted row numbers of `classes`.

        `"majority_class"` is the accuracy of one answer for all test rows,
        the class that most of them have.
        """
        of_class = np.bincount(self.test_labels + 1)[1:]
        return {
            "accuracy": float(np.mean(predictions == self.test_labels)),
            "majority_class": float(of_class.max(initial=0))
            / len(self.test_labels),
            "num_train": len(self.train),
            "num_test": len(self.test),
            "protocol": protocol + self.note,
        }


def labelled_features(
    train_features: Any,
    train_labels: Any,
    test_features: Any,
    test_labels: Any,
) -> LabelledFeatures:
    """Checks the arguments that all probes share.

    Rows labelled -1 have no label and are left out; `note` counts them.

    Args:
        train_features: array `(num_train, ...)`, flattened.
        train_labels: array of int `(num_train,)`.
        test_features: array `(num_test, ...)`, flattened.
        test_labels: array of int `(num_test,)`.

    Returns:
        `LabelledFeatures`.

    Raises:
        ValueError: when the row counts of features and labels differ, when
            training and test features differ in width, when a feature is NaN
            or infinite, when labels are not whole numbers, and when fewer
            than two classes or no test rows are left.
    """
    train, labels, num_train = _part(train_features, train_labels, "train")
    test, wanted, num_test = _part(test_features, test_labels, "test")
    if train.shape[1] != test.shape[1]:
        raise ValueError(
            "Training and test features must have the same width. Received "
            f"train_features {train.shape} and test_features {test.shape}."
        )
    classes, rows = np.unique(labels, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(
            "A probe needs at least two classes in train_labels. Received "
            f"only {classes.tolist()} in {len(labels)} labelled rows."
        )
    found = np.searchsorted(classes, wanted).clip(max=len(classes) - 1)
    note = ""
    if num_train or num_test:
        note = (
            f"; {num_train} training and {num_test} test rows without a "
            "label left out"
        )
    return LabelledFeatures(
        train=train,
        train_labels=rows.astype("int64"),
        test=test,
        test_labels=np.where(classes[found] == wanted, found, -1),
        classes=classes,
        note=note,
    )


def _part(
    features: Any, labels: Any, part: str
) -> tuple[np.ndarray, np.ndarray, int]:
    """The labelled rows of one part, and how many have no label."""
    features = np.asarray(features)
    labels = batches.labels_of(labels, f"{part}_labels", allow_unlabelled=True)
    if features.ndim < 2 or 0 in features.shape:
        raise ValueError(
            f"{part}_features must have shape (num_{part}, width) with at "
            f"least one row. Received shape: {features.shape}"
        )
    if len(features) != len(labels):
        raise ValueError(
            f"There must be one label for every row of {part}_features. "
            f"Received {len(features)} rows and {len(labels)} labels."
        )
    features = features.reshape(len(features), -1)
    features = features.astype("float32", copy=False)
    finite = np.isfinite(features).all(axis=1)
    if not finite.all():
        raise ValueError(
            f"{part}_features must be finite numbers. Received NaN or "
            f"infinity in {np.count_nonzero(~finite)} of {len(finite)} rows, "
            f"first in row {np.argmin(finite)}. Has the training diverged?"
        )
    kept = labels != UNLABELLED
    dropped = int(np.count_nonzero(~kept))
    if dropped == len(labels):
        raise ValueError(
            f"All {dropped} {part}_labels are {UNLABELLED}, which stands for "
            "no label: a probe needs labelled rows"
        )
    if dropped:
        features, labels = features[kept], labels[kept]
    return features, labels, dropped
