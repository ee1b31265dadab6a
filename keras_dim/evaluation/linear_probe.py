"""How well a linear classifier reads the classes off frozen features."""

import warnings
from typing import Any

import numpy as np

from keras_dim.evaluation.labelled_features import labelled_features


def linear_probe(
    train_features: np.ndarray,
    train_labels: np.ndarray,
    test_features: np.ndarray,
    test_labels: np.ndarray,
    c: float = 1.0,
    max_iterations: int = 1000,
) -> dict[str, Any]:
    """Fits a multinomial logistic regression and returns its test accuracy.

    Features are standardised with the training rows' mean and deviation.
    This is scikit-learn's `StandardScaler` and `LogisticRegression` (L-BFGS).

    Args:
        train_features: array `(num_train, width)`. Maps are flattened.
        train_labels: array of int `(num_train,)`. Rows labelled -1 are left
            out.
        test_features: array `(num_test, width)`.
        test_labels: array of int `(num_test,)`.
        c: float. Inverse strength of the L2 penalty. Defaults to `1.0`.
        max_iterations: int. Most iterations of L-BFGS. Defaults to `1000`.

    Returns:
        dict. `"accuracy"` in `[0, 1]`, `"majority_class"` (what one answer
        for all scores), `"num_train"`, `"num_test"`, `"converged"` (bool),
        and `"protocol"`, one sentence with every setting.

    Raises:
        ValueError: for features and labels that do not fit together; see
            `labelled_features`.

    Example:
    ```python
    score = linear_probe(train, train_labels, test, test_labels, c=0.1)
    score["accuracy"]
    ```
    """
    # Loaded here because scikit-learn takes a second that only probes need.
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if not c > 0:
        raise ValueError(f"`c` must be above 0. Received: {c}")
    if max_iterations < 1:
        raise ValueError(
            f"`max_iterations` must be at least 1. Received: {max_iterations}"
        )
    data = labelled_features(
        train_features, train_labels, test_features, test_labels
    )
    classifier = make_pipeline(
        StandardScaler(), LogisticRegression(C=c, max_iter=max_iterations)
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        classifier.fit(data.train, data.train_labels)
    converged = True
    for warning in caught:
        if issubclass(warning.category, ConvergenceWarning):
            converged = False
        else:
            warnings.warn_explicit(
                warning.message,
                warning.category,
                warning.filename,
                warning.lineno,
            )
    protocol = (
        f"logistic regression on {data.train.shape[1]} standardised features, "
        f"{len(data.classes)} classes, L2 penalty with C={c:g}, L-BFGS with "
        f"at most {max_iterations} iterations"
        f"{'' if converged else ', stopped before it converged'}"
    )
    score = data.result(classifier.predict(data.test), protocol)
    return {**score, "converged": converged}
