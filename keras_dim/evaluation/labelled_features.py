"""Features and labels of every probe, checked before they are used."""

from typing import Any

import numpy as np

from keras_dim import batches
from keras_dim.batches import UNLABELLED


class LabelledFeatures:
    """The arguments that all probes share, checked.

    Args:
        train_features: array `(num_train, ...)`, flattened.
        train_labels: array of int `(num_train,)`. Rows labelled -1 have no
            label and are left out.
        test_features: array `(num_test, ...)`, flattened.
        test_labels: array of int `(num_test,)`, likewise. Rows of a class
            without training rows count as wrong.

    Attributes:
        train, test: float32 arrays `(rows, width)`.
        classes: int64 array `(num_classes,)`. The training labels' values.
        train_labels: int64 array `(num_train,)`: row numbers of `classes`.
        test_labels: int64 array `(num_test,)`.

    Raises:
        ValueError: for features and labels of other lengths, training and test
            features of other widths, NaN or infinity, labels that are not
            whole numbers, and fewer than two classes or no test rows.
    """

    def __init__(
        self, train_features, train_labels, test_features, test_labels
    ):
        self.train, labels, num_train = labelled_rows(
            train_features, train_labels, "train_"
        )
        self.test, self.test_labels, num_test = labelled_rows(
            test_features, test_labels, "test_"
        )
        if self.train.shape[1] != self.test.shape[1]:
            raise ValueError(
                "Training and test features must have the same width. Received "
                f"shapes {self.train.shape} and {self.test.shape}"
            )
        self.classes, self.train_labels = np.unique(labels, return_inverse=True)
        if len(self.classes) < 2:
            raise ValueError(
                "A probe needs at least two classes in train_labels. Received "
                f"only {self.classes.tolist()}"
            )
        self._note = ""
        if num_train or num_test:
            self._note = (
                f"; {num_train} training and {num_test} test rows without a "
                "label left out"
            )

    def is_right(self, predictions: np.ndarray) -> np.ndarray:
        """Returns which test rows have the predicted rows of `classes`."""
        return self.classes[predictions] == self.test_labels

    def result(self, predictions: np.ndarray, protocol: str) -> dict[str, Any]:
        """Returns a probe's results, for predicted row numbers of `classes`.

        They are `"accuracy"` in `[0, 1]`; `"majority_class"`, the accuracy of
        one answer for all test rows; `"num_train"` and `"num_test"`, the
        numbers of labelled rows; and `"protocol"`, one sentence with every
        setting.
        """
        shares = [np.mean(self.test_labels == name) for name in self.classes]
        return {
            "accuracy": float(np.mean(self.is_right(predictions))),
            "majority_class": float(max(shares)),
            "num_train": len(self.train),
            "num_test": len(self.test),
            "protocol": protocol + self._note,
        }


def labelled_rows(
    features: Any, labels: Any, part: str = ""
) -> tuple[np.ndarray, np.ndarray, int]:
    """Returns the rows with a label, flattened, and how many have none.

    `part` is `"train_"` or `"test_"`, for messages.
    """
    features = np.asarray(features)
    labels = batches.labels_of(labels, f"{part}labels", allow_unlabelled=True)
    if features.ndim < 2 or 0 in features.shape:
        raise ValueError(
            f"{part}features must have shape (num_rows, width) with at least "
            f"one row. Received shape: {features.shape}"
        )
    if len(features) != len(labels):
        raise ValueError(
            f"There must be one label for every row of {part}features. "
            f"Received {len(features)} rows and {len(labels)} labels"
        )
    features = features.reshape(len(features), -1)
    features = features.astype("float32", copy=False)
    finite = np.isfinite(features).all(axis=1)
    if not finite.all():
        raise ValueError(
            f"{part}features must be finite numbers. Received NaN or infinity "
            f"in {np.count_nonzero(~finite)} of {len(finite)} rows, first in "
            f"row {np.argmin(finite)}. Has the training diverged?"
        )
    kept = labels != UNLABELLED
    if not kept.any():
        raise ValueError(
            f"All {len(labels)} {part}labels are {UNLABELLED}, which stands "
            "for no label: a probe needs labelled rows"
        )
    if kept.all():
        return features, labels, 0
    return features[kept], labels[kept], np.count_nonzero(~kept)
