"""How often an image's nearest neighbours share its class."""

from typing import Any

import numpy as np

from keras_dim import checks
from keras_dim.evaluation.labelled_features import LabelledFeatures


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
    weight `exp(s / temperature)`, as instance discrimination does it. Of
    classes with equal votes, the smaller label wins.

    Args:
        train_features, train_labels, test_features, test_labels: arrays. See
            `LabelledFeatures`.
        k: int. Number of neighbours, at most that of the labelled training
            rows. Defaults to `20`.
        temperature: float or `None`. Of the weights; `None` gives every
            neighbour one vote. Defaults to `0.07`.

    Returns:
        dict as of `LabelledFeatures.result`, and `"accuracy_k1"`, the accuracy
        of the nearest row alone.

    Reference:
        Wu, Xiong, Yu and Lin, "Unsupervised Feature Learning via
        Non-Parametric Instance Discrimination", CVPR 2018, section 3.4.
    """
    from sklearn.neighbors import NearestNeighbors

    checks.above(0, **checks.given(temperature=temperature))
    data = LabelledFeatures(
        train_features, train_labels, test_features, test_labels
    )
    checks.integers(1, len(data.train), k=k)
    # Between unit vectors |a - b|^2 = 2 - 2 cos(a, b), which scikit-learn
    # searches several times faster than its own cosine.
    index = NearestNeighbors(n_neighbors=k, algorithm="brute")
    index.fit(_unit_vectors(data.train))
    distances, neighbors = index.kneighbors(_unit_vectors(data.test))
    labels = data.train_labels[neighbors]
    weights, weighted = np.ones_like(distances), "one vote each"
    if temperature is not None:
        # exp(s / t) up to a factor common to all neighbours of a row.
        gaps = distances**2 - distances[:, :1] ** 2
        weights = np.exp(-gaps / 2 / temperature)
        weighted = f"votes weighted by exp(similarity / {temperature:g})"
    votes = np.zeros((len(data.test), len(data.classes)))
    np.add.at(votes, (np.arange(len(votes))[:, None], labels), weights)
    protocol = (
        f"{k} nearest neighbours by cosine similarity on "
        f"{data.train.shape[1]} features, {len(data.classes)} classes, "
        f"{weighted}"
    )
    score = data.result(votes.argmax(axis=1), protocol)
    nearest = float(np.mean(data.is_right(labels[:, 0])))
    return {**score, "accuracy_k1": nearest}


def _unit_vectors(rows):
    """Returns rows of length one; zeros become one at right angles to all."""
    from sklearn.preprocessing import normalize

    return np.hstack([normalize(rows), ~rows.any(axis=1, keepdims=True)])
