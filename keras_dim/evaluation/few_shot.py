"""How well a handful of labels tells classes that nobody trained on."""

from typing import Any

import numpy as np

from keras_dim import batches


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
    and others as queries. Features are centred by the mean of the episode's
    examples and scaled to length one; a query goes to the class whose mean
    of examples is nearest. Nothing is trained.

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
        `"majority_class"`, what one answer for all queries scores;
        `"confidence"`, half the width of its 95 % interval; `"num_classes"`,
        `"num_episodes"` and `"protocol"`, one sentence with every setting.

    Raises:
        ValueError: for counts below 1, features and labels that do not fit
            together, and fewer classes than `ways`.

    Example:
    ```python
    found = extract(encoder, unseen_classes, "global")
    few_shot(found["global"], found["label"], shots=5)["accuracy"]
    ```

    Reference:
        Snell, Swersky and Zemel, "Prototypical Networks for Few-shot
        Learning", NeurIPS 2017, for the episodes and the nearest mean.
    """
    for name, value, least in (
        ("ways", ways, 2),
        ("shots", shots, 1),
        ("queries", queries, 1),
        ("episodes", episodes, 2),
    ):
        if value < least:
            raise ValueError(
                f"`{name}` must be {least} or more. Received: {value}"
            )
    features = np.asarray(features)
    labels = batches.labels_of(labels, "few_shot", allow_unlabelled=True)
    if labels.shape != (len(features),) or features.ndim < 2:
        raise ValueError(
            "There must be one label for every row of features. Received "
            f"features {features.shape} and labels {labels.shape}"
        )
    features = features.reshape(len(features), -1).astype("float32")
    classes, counts = np.unique(
        labels[labels != batches.UNLABELLED], return_counts=True
    )
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
        drawn = np.stack(
            [
                generator.choice(rows_of[name], shots + queries, replace=False)
                for name in generator.choice(classes, ways, replace=False)
            ]
        )
        accuracies.append(_episode(features[drawn], shots))
    return {
        "accuracy": float(np.mean(accuracies)),
        "majority_class": 1 / ways,
        "confidence": float(
            1.96 * np.std(accuracies, ddof=1) / np.sqrt(episodes)
        ),
        "num_classes": len(classes),
        "num_episodes": episodes,
        "protocol": (
            f"nearest mean of {shots} example(s), {ways} of {len(classes)} "
            f"classes to an episode, {queries} queries of each, mean of "
            f"{episodes} episodes drawn with seed {seed}; features centred by "
            "the examples' mean and scaled to length one"
        ),
    }


def _episode(features, shots):
    """Returns the accuracy on `(ways, rows, width)`, examples first."""
    ways, _, width = features.shape
    features = features - features[:, :shots].mean((0, 1))
    norms = np.linalg.norm(features, axis=-1, keepdims=True)
    features = features / np.maximum(norms, 1e-12)
    means = features[:, :shots].mean(1)
    queries = features[:, shots:].reshape(-1, width)
    distances = (means**2).sum(1) - 2 * queries @ means.T
    expected = np.repeat(np.arange(ways), features.shape[1] - shots)
    return np.mean(distances.argmin(1) == expected)
