"""How often an image's nearest neighbours share its class."""

from typing import Any

import numpy as np

from keras_dim.evaluation.labelled_features import labelled_features


def nearest_neighbors(
    train_features: np.ndarray,
    train_labels: np.ndarray,
    test_features: np.ndarray,
    test_labels: np.ndarray,
    k: int = 20,
    temperature: float | None = 0.07,
) -> dict[str, Any]:
    """Classifies by the k most similar training rows, and by the nearest one.

    Similarity `s` is the cosine. Each neighbour votes for its class with
    weight `exp(s / temperature)`, as instance discrimination does it. Nothing
    is trained. Classes with equal votes: the smaller label wins.

    Args:
        train_features: array `(num_train, width)`. Maps are flattened.
        train_labels: array of int `(num_train,)`. Rows labelled -1 are left
            out.
        test_features: array `(num_test, width)`.
        test_labels: array of int `(num_test,)`.
        k: int. Number of neighbours. Defaults to `20`.
        temperature: float or `None`. Of the weights; `None` gives every
            neighbour one vote. Defaults to `0.07`.

    Returns:
        dict. `"accuracy"` in `[0, 1]` with k neighbours, `"accuracy_k1"` with
        the nearest one alone, `"majority_class"` (what one answer for all
        scores), `"num_train"`, `"num_test"`, and `"protocol"`,
        one sentence with every setting.

    Raises:
        ValueError: when `k` exceeds the number of training rows, and for
            features and labels that do not fit together; see
            `labelled_features`.

    Example:
    ```python
    nearest_neighbors(train, train_labels, test, test_labels, k=5)
    ```

    Reference:
        Wu, Xiong, Yu and Lin, "Unsupervised Feature Learning via
        Non-Parametric Instance Discrimination", CVPR 2018, section 3.4.
    """
    if temperature is not None and not temperature > 0:
        raise ValueError(
            f"`temperature` must be above 0, or None. Received: {temperature}"
        )
    data = labelled_features(
        train_features, train_labels, test_features, test_labels
    )
    if not 1 <= k <= len(data.train):
        raise ValueError(
            f"`k` must lie between 1 and the number of labelled training rows, "
            f"{len(data.train)}. Received: {k}"
        )
    distances, neighbors = _cosine_neighbors(data.train, data.test, k)
    labels = data.train_labels[neighbors]
    if temperature is None:
        weights = np.ones_like(distances)
    else:
        # exp(s / t) up to a factor common to all: s = 1 - distance.
        weights = np.exp(-distances / temperature)
    votes = np.zeros((len(data.test), len(data.classes)))
    rows = np.arange(len(data.test))[:, None]
    np.add.at(votes, (rows, labels), weights)
    weighted = (
        "one vote each"
        if temperature is None
        else f"votes weighted by exp(similarity / {temperature:g})"
    )
    protocol = (
        f"{k} nearest neighbours by cosine similarity on "
        f"{data.train.shape[1]} features, {len(data.classes)} classes, "
        f"{weighted}"
    )
    score = data.result(votes.argmax(axis=1), protocol)
    nearest = float(np.mean(labels[:, 0] == data.test_labels))
    return {**score, "accuracy_k1": nearest}


def _cosine_neighbors(
    train: np.ndarray, test: np.ndarray, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """Cosine distances and rows of the k nearest, the nearest first."""
    from sklearn.neighbors import NearestNeighbors
    from sklearn.preprocessing import normalize

    if not (train.any(axis=1).all() and test.any(axis=1).all()):
        # A row of zeros has no direction: its similarity to all is 0.
        index = NearestNeighbors(n_neighbors=k, metric="cosine").fit(train)
        return index.kneighbors(test)
    # Between unit vectors |a - b|^2 = 2 - 2 cos(a, b), which scikit-learn
    # searches several times faster than its own cosine.
    index = NearestNeighbors(n_neighbors=k, algorithm="brute")
    distances, neighbors = index.fit(normalize(train)).kneighbors(
        normalize(test)
    )
    return distances**2 / 2, neighbors
