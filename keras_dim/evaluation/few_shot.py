"""How well a handful of labels tells classes that nobody trained on."""

from typing import Any

import numpy as np

from keras_dim import checks
from keras_dim.batches import UNLABELLED
from keras_dim.evaluation.labelled_features import labelled_rows


def few_shot(
    features: np.ndarray,
    labels: np.ndarray,
    ways: int = 5,
    shots: int = 1,
    queries: int = 15,
    episodes: int = 600,
    seed: int = 0,
) -> dict[str, Any]:
    """Classifies by the nearest mean of a few examples, many times over.

    In each episode some classes are drawn, of each a few rows as examples
    and others as queries. Features are centred by the examples' mean and
    scaled to length one; a query goes to the class whose mean of examples is
    nearest. Nothing is trained.

    Args:
        features: array `(num_rows, width)`. Maps are flattened. Best of
            classes that the encoder has not been trained on.
        labels: array of int `(num_rows,)`. Rows labelled -1 are left out, as
            are classes with too few rows.
        ways: int. Classes to an episode. Defaults to `5`.
        shots: int. Examples of each class. Defaults to `1`.
        queries: int. Queries of each class. Defaults to `15`.
        episodes: int. Defaults to `600`.
        seed: int. Of all that is drawn. Defaults to `0`.

    Returns:
        dict. `"accuracy"` in `[0, 1]`, the mean over episodes;
        `"majority_class"`, the accuracy of one answer for all queries;
        `"confidence"`, half the width of its 95 % interval; `"num_classes"`,
        `"num_episodes"` and `"protocol"`, one sentence with every setting.

    Raises:
        ValueError: for features and labels that do not fit together, and
            fewer classes than `ways`.

    Reference:
        Snell, Swersky and Zemel, "Prototypical Networks for Few-shot
        Learning", NeurIPS 2017, for the episodes and the nearest mean.
    """
    checks.integers(2, ways=ways, episodes=episodes)
    checks.integers(1, shots=shots, queries=queries)
    features, labels, _ = labelled_rows(features, labels)
    classes, counts = np.unique(labels, return_counts=True)
    classes = classes[counts >= shots + queries]
    if len(classes) < ways:
        raise ValueError(
            f"There are {len(classes)} classes with the {shots + queries} "
            f"rows that an episode takes. Expected {ways} or more: lower "
            "`ways`, `shots` or `queries`"
        )
    rows_of = {name: np.flatnonzero(labels == name) for name in classes}
    generator = np.random.default_rng(seed)
    accuracies = []
    for _ in range(episodes):
        drawn = [
            generator.choice(rows_of[name], shots + queries, replace=False)
            for name in generator.choice(classes, ways, replace=False)
        ]
        accuracies.append(_episode(features[np.stack(drawn)], shots))
    deviation = np.std(accuracies, ddof=1)
    return {
        "accuracy": float(np.mean(accuracies)),
        "majority_class": 1 / ways,
        "confidence": float(1.96 * deviation / np.sqrt(episodes)),
        "num_classes": len(classes),
        "num_episodes": episodes,
        "protocol": (
            f"nearest mean of {shots} example(s), {ways} of {len(classes)} "
            f"classes to an episode, {queries} queries of each, mean of "
            f"{episodes} episodes drawn with seed {seed}; features centred by "
            "the examples' mean and scaled to length one"
        ),
    }


def few_shot_probe(
    train_features: np.ndarray,
    train_labels: np.ndarray,
    test_features: np.ndarray,
    test_labels: np.ndarray,
    ways: int = 5,
    shots: int = 1,
    queries: int = 15,
    episodes: int = 600,
    seed: int = 0,
) -> dict[str, Any]:
    """Runs `few_shot` on the test rows of classes without training rows."""
    rows = ~np.isin(test_labels, np.append(train_labels, UNLABELLED))
    episodes_of = test_features[rows], test_labels[rows]
    result = few_shot(*episodes_of, ways, shots, queries, episodes, seed)
    return {
        **result,
        "num_test": int(rows.sum()),
        "protocol": f"{result['protocol']}; classes without training images",
    }


def _episode(features, shots):
    """Returns the accuracy on `(ways, rows, width)`, examples first."""
    ways, rows, width = features.shape
    features = features - features[:, :shots].mean((0, 1))
    norms = np.linalg.norm(features, axis=-1, keepdims=True)
    features = features / np.maximum(norms, 1e-12)
    means = features[:, :shots].mean(1)
    queries = features[:, shots:].reshape(-1, width)
    distances = (means**2).sum(1) - 2 * queries @ means.T
    return np.mean(distances.argmin(1) == np.arange(ways).repeat(rows - shots))
