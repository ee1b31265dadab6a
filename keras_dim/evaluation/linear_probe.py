"""How well a linear classifier reads the classes off frozen features."""

import warnings
from typing import Any

import numpy as np

from keras_dim import checks
from keras_dim.evaluation.labelled_features import LabelledFeatures


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
        train_features, train_labels, test_features, test_labels: arrays. See
            `LabelledFeatures`.
        c: float. Inverse strength of the L2 penalty. Defaults to `1.0`.
        max_iterations: int. Most iterations of L-BFGS. Defaults to `1000`.

    Returns:
        dict as of `LabelledFeatures.result`, and `"converged"` (bool).
    """
    # Loaded here because scikit-learn takes a second that only probes need.
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    checks.above(0, c=c)
    checks.integers(1, max_iterations=max_iterations)
    data = LabelledFeatures(
        train_features, train_labels, test_features, test_labels
    )
    regression = LogisticRegression(C=c, max_iter=max_iterations)
    classifier = make_pipeline(StandardScaler(), regression)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        classifier.fit(data.train, data.train_labels)
    converged = True
    for warning in caught:
        if issubclass(warning.category, ConvergenceWarning):
            converged = False
        else:
            warnings.warn(warning.message, stacklevel=2)
    protocol = (
        f"logistic regression on {data.train.shape[1]} standardised features, "
        f"{len(data.classes)} classes, L2 penalty with C={c:g}, L-BFGS with "
        f"at most {max_iterations} iterations"
        f"{'' if converged else ', stopped before it converged'}"
    )
    score = data.result(classifier.predict(data.test), protocol)
    return {**score, "converged": converged}
