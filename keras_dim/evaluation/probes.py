"""Probes: classifiers of frozen features, and their test accuracy."""

import math
import warnings
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import layers

from keras_dim import batches
from keras_dim import checks
from keras_dim import neighbors
from keras_dim import optimizers
from keras_dim.batches import UNLABELLED


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
    # Importing scikit-learn takes a second, which only probes should cost.
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


def mlp_probe(
    train_features: np.ndarray,
    train_labels: np.ndarray,
    test_features: np.ndarray,
    test_labels: np.ndarray,
    units: int = 200,
    dropout: float = 0.1,
    learning_rate: float = 1e-4,
    beta_1: float = 0.9,
    batch_size: int = 64,
    epochs: int = 120,
    milestones: Sequence[int] = (50, 100),
    decay: float = 0.1,
    seed: int = 0,
) -> dict[str, Any]:
    """Trains Deep InfoMax's small classifier and returns its test accuracy.

    A linear layer of `units`, dropout, batch normalisation, ReLU and one linear
    unit per class, trained by Adam on the cross entropy. Features are not
    standardised. It computes in float32 under any policy. The same seed gives
    the same score on the same machine.

    Args:
        train_features, train_labels, test_features, test_labels: arrays. See
            `LabelledFeatures`.
        units: int. Width of the hidden layer. Defaults to `200`.
        dropout: float. Share of hidden units dropped. Defaults to `0.1`.
        learning_rate: float. Of Adam, at the start. Defaults to `1e-4`.
        beta_1: float. Adam's decay of the first moment. Defaults to `0.9`.
        batch_size: int. Rows per step; all rows if there are fewer. A smaller
            last batch is left out. Defaults to `64`.
        epochs: int. Defaults to `120`.
        milestones: sequence of int. Numbers of epochs after which the learning
            rate is multiplied by `decay`. Defaults to `(50, 100)`.
        decay: float. Defaults to `0.1`.
        seed: int. Of the initial weights, the order and the dropout. Defaults
            to `0`.

    Returns:
        dict as of `LabelledFeatures.result`.

    Differs from the paper: the accuracy is that of the last epoch, not the
    average over the last hundred.

    Reference: [Hjelm et al., 2019](https://arxiv.org/abs/1808.06670), section
    4.1, and the authors' code for the schedule.
    """
    checks.integers(1, units=units, epochs=epochs)
    checks.above(0, learning_rate=learning_rate, decay=decay)
    checks.at_least(0, dropout=dropout)
    checks.below(1, dropout=dropout)
    milestones = _checked_milestones(milestones)
    data = LabelledFeatures(
        train_features, train_labels, test_features, test_labels
    )
    (num_train, width), num_classes = data.train.shape, len(data.classes)
    batch_size = min(batch_size, num_train)
    # Batch normalisation needs two rows.
    checks.integers(2, batch_size=batch_size)
    steps = num_train // batch_size
    classifier = build_mlp(width, num_classes, units, dropout, seed)
    # The inputs are row numbers, so that the features are copied to the device
    # once and not in each epoch.
    rows = keras.Input((), dtype="int32")
    frozen = {"weights": data.train, "trainable": False, "dtype": "float32"}
    table = layers.Embedding(*data.train.shape, "zeros", **frozen)
    trainer = keras.Model(rows, classifier(table(rows)))
    schedule = _schedule(learning_rate, milestones, decay, steps)
    cross_entropy = keras.losses.SparseCategoricalCrossentropy
    trainer.compile(
        keras.optimizers.Adam(schedule, beta_1=beta_1),
        cross_entropy(from_logits=True, dtype="float32"),
        steps_per_execution=min(steps, 100),
        auto_scale_loss=False,
    )
    order = np.random.default_rng(seed)
    for _ in range(epochs):
        chosen = order.permutation(num_train)[: steps * batch_size]
        columns = chosen, data.train_labels[chosen]
        trainer.fit(
            *(column.astype("int32") for column in columns),
            batch_size=batch_size,
            shuffle=False,
            verbose=0,
        )
    scores = classifier.predict(data.test, batch_size=1024, verbose=0)
    protocol = (
        f"one hidden layer of {units} units (dropout {dropout:g}, batch "
        f"normalisation, ReLU) on {width} features as they are, "
        f"{num_classes} classes, Adam (learning rate {learning_rate:g}"
        f"{_decays(decay, milestones)}, beta_1 {beta_1:g}), batch "
        f"{batch_size}, {epochs} epochs, seed {seed}, accuracy of the last "
        "epoch"
    )
    return data.result(greatest(scores, learning_rate), protocol)


def build_mlp(width, num_classes, units=200, dropout=0.1, seed=0):
    """Returns the `mlp_probe`, `(batch, width)` to `(batch, num_classes)`."""
    policy = {"dtype": "float32"}

    def dense(units, inputs, seed):
        # Uniform within 1 / sqrt(inputs), PyTorch's default.
        limit = inputs**-0.5
        uniform = keras.initializers.RandomUniform(-limit, limit, seed=seed)
        return layers.Dense(units, kernel_initializer=uniform, **policy)

    features = keras.Input((width,), **policy)
    x = dense(units, width, seed)(features)
    x = layers.Dropout(dropout, seed=seed + 2, **policy)(x)
    # PyTorch's defaults.
    x = layers.BatchNormalization(momentum=0.9, epsilon=1e-5, **policy)(x)
    x = layers.ReLU(**policy)(x)
    return keras.Model(features, dense(num_classes, units, seed + 1)(x))


def _schedule(learning_rate, milestones, decay, steps):
    return optimizers.Schedule(
        learning_rate,
        "steps" if milestones else "constant",
        boundaries=[epoch * steps for epoch in milestones],
        factor=decay,
    )


def sgd_probe(
    train_features: np.ndarray,
    train_labels: np.ndarray,
    test_features: np.ndarray,
    test_labels: np.ndarray,
    learning_rate: float = 30.0,
    momentum: float = 0.9,
    batch_size: int = 256,
    epochs: int = 100,
    milestones: Sequence[int] | None = (60, 80),
    decay: float = 0.1,
    seed: int = 0,
    nesterov: bool = False,
) -> dict[str, Any]:
    """Trains a linear classifier by SGD and returns its test accuracy.

    Features are not standardised; the loss is the cross entropy, without
    weight decay. The defaults are MoCo's; `PROTOCOLS` has the settings of CMC,
    SimCLR and BYOL, too. The best learning rate depends on the scale of the
    features: choose it by `candidates` of `run_probe`.

    Args:
        train_features, train_labels, test_features, test_labels: arrays. See
            `LabelledFeatures`.
        learning_rate: float. Defaults to `30.0`.
        momentum: float. Defaults to `0.9`.
        batch_size, epochs, milestones, decay, seed: see `mlp_probe`, except
            that a smaller last batch is trained on. With `milestones=None`, the
            rate falls to 0 along half a cosine.
        nesterov: bool. Whether the momentum is Nesterov's. Defaults to `False`.

    Returns:
        dict as of `LabelledFeatures.result`.

    Reference: [He et al., 2020](https://arxiv.org/abs/1911.05722), section 4.1,
    and the authors' code.
    """
    from scipy import special

    checks.above(0, learning_rate=learning_rate, decay=decay)
    checks.between(0, 1, momentum=momentum)
    checks.integers(1, batch_size=batch_size, epochs=epochs)
    if milestones is not None:
        milestones = _checked_milestones(milestones)
    data = LabelledFeatures(
        train_features, train_labels, test_features, test_labels
    )
    (num_rows, width), num_classes = data.train.shape, len(data.classes)
    draw = np.random.default_rng(seed)
    # The last row is the bias.
    weights = draw.normal(0, 0.01, (width + 1, num_classes)).astype("float32")
    weights[-1] = 0
    velocity = np.zeros_like(weights)
    rate, step = learning_rate, 0
    num_steps = epochs * -(-num_rows // batch_size)
    for epoch in range(epochs):
        rate *= decay if epoch in (milestones or ()) else 1
        order = draw.permutation(num_rows)
        for start in range(0, num_rows, batch_size):
            if milestones is None:
                share = math.cos(math.pi * step / num_steps)
                rate = learning_rate * (1 + share) / 2
            step += 1
            rows = order[start : start + batch_size]
            inputs = data.train[rows]
            logits = inputs @ weights[:-1] + weights[-1]
            errors = special.softmax(logits, axis=1)
            errors[np.arange(len(rows)), data.train_labels[rows]] -= 1
            errors /= len(rows)
            gradient = np.vstack([inputs.T @ errors, errors.sum(axis=0)])
            velocity = momentum * velocity + gradient
            change = gradient + momentum * velocity if nesterov else velocity
            weights -= rate * change
    kind = "Nesterov momentum" if nesterov else "momentum"
    protocol = (
        f"linear classifier on {width} features as they are, {num_classes} "
        f"classes, SGD (learning rate {learning_rate:g}"
        f"{_decays(decay, milestones)}, {kind} {momentum:g}, no weight "
        f"decay), batch {batch_size}, {epochs} epochs, seed {seed}, accuracy "
        "of the last epoch"
    )
    logits = data.test @ weights[:-1] + weights[-1]
    return data.result(greatest(logits, learning_rate), protocol)


def greatest(logits: np.ndarray, learning_rate: float) -> np.ndarray:
    """Returns the column of the greatest logit of each row, int `(rows,)`.

    Raises a `ValueError` if the training has diverged: of NaN, NumPy would
    return the first column.
    """
    if not np.isfinite(logits).all():
        raise ValueError(
            "The classifier diverged: use a lower learning rate. Received: "
            f"learning_rate={learning_rate:g}"
        )
    return logits.argmax(axis=-1)


def _checked_milestones(milestones):
    milestones = list(milestones)
    for epoch in milestones:
        checks.integers(1, milestones=epoch)
    if milestones != sorted(set(milestones)):
        raise ValueError(
            f"`milestones` must be increasing. Received: {milestones}"
        )
    return milestones


def _decays(decay, milestones):
    if milestones is None:
        return " with cosine decay"
    ends = ", ".join(map(str, milestones))
    return f" times {decay:g} after epochs {ends}" if milestones else ""


def nearest_neighbors(
    train_features: np.ndarray,
    train_labels: np.ndarray,
    test_features: np.ndarray,
    test_labels: np.ndarray,
    k: int = 20,
    temperature: float | None = 0.07,
) -> dict[str, Any]:
    """Classifies by the k most similar training rows, and by the nearest one.

    The similarity `s` is the cosine. Each neighbour votes for its class with
    the weight `exp(s / temperature)`. Of classes with equal votes, the smallest
    label wins.

    Args:
        train_features, train_labels, test_features, test_labels: arrays. See
            `LabelledFeatures`.
        k: int. Number of neighbours, up to the number of labelled training
            rows. Defaults to `20`.
        temperature: float or `None`, which gives every neighbour one vote.
            Defaults to `0.07`.

    Returns:
        dict as of `LabelledFeatures.result`, and `"accuracy_k1"`, the accuracy
        of the nearest row alone.

    Reference: [Wu et al., 2018](https://arxiv.org/abs/1805.01978), section 3.4.
    """
    checks.above(0, **checks.given(temperature=temperature))
    data = LabelledFeatures(
        train_features, train_labels, test_features, test_labels
    )
    checks.integers(1, len(data.train), k=k)
    found, cosines = neighbors.nearest(data.train, k, data.test)
    labels = data.train_labels[found]
    weights, weighted = np.ones_like(cosines), "one vote each"
    if temperature is not None:
        # Relative to the greatest of each row, as exp(s / t) may overflow.
        weights = np.exp((cosines - cosines[:, :1]) / temperature)
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


def few_shot(
    features: np.ndarray,
    labels: np.ndarray,
    ways: int = 5,
    shots: int = 1,
    queries: int = 15,
    episodes: int = 600,
    seed: int = 0,
) -> dict[str, Any]:
    """Classifies by the nearest mean of a few examples, in many episodes.

    Each episode draws some classes, and a few rows of each as examples and
    others as queries. Features are centred by the examples' mean and scaled to
    length one; a query is classified by the nearest class mean of examples.
    Nothing is trained.

    Args:
        features: array `(num_rows, ...)`, flattened, preferably of classes that
            the encoder has not been trained on.
        labels: array of int `(num_rows,)`. Rows labelled -1 are left out, and
            so are classes with too few rows.
        ways: int. Classes in an episode. Defaults to `5`.
        shots: int. Examples of each class. Defaults to `1`.
        queries: int. Queries of each class. Defaults to `15`.
        episodes: int. Defaults to `600`.
        seed: int. Of the episodes. Defaults to `0`.

    Returns:
        dict. `"accuracy"` in `[0, 1]`, the mean over episodes;
        `"confidence"`, half the width of its 95 % interval;
        `"majority_class"`, the accuracy of the same answer for all queries;
        `"num_classes"`, `"num_episodes"` and `"protocol"`, one sentence with
        every setting.

    Raises:
        ValueError: for fewer than `ways` classes with `shots + queries` rows.

    Reference: [Snell et al., 2017](https://arxiv.org/abs/1703.05175), for the
    episodes and the nearest mean.
    """
    checks.integers(2, ways=ways, episodes=episodes)
    checks.integers(1, shots=shots, queries=queries)
    features, labels, _ = labelled_rows(features, labels)
    classes, counts = np.unique(labels, return_counts=True)
    classes = classes[counts >= shots + queries]
    if len(classes) < ways:
        raise ValueError(
            f"There are {len(classes)} classes with the {shots + queries} "
            f"rows that an episode needs. Expected {ways} or more: lower "
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
        # In float64, where squares of large features do not overflow.
        rows = features[np.stack(drawn)].astype(np.float64)
        accuracies.append(_episode(rows, shots))
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
    if not rows.any():
        raise ValueError(
            "few_shot needs test rows of classes without training rows. "
            "Received none"
        )
    episodes_of = test_features[rows], test_labels[rows]
    result = few_shot(*episodes_of, ways, shots, queries, episodes, seed)
    result["protocol"] += "; classes without training images"
    return {**result, "num_test": int(rows.sum())}


def _episode(features, shots):
    """Returns the accuracy on features `(ways, rows, width)`.

    The first `shots` rows of each class are its examples.
    """
    ways, rows, width = features.shape
    features = features - features[:, :shots].mean((0, 1))
    norms = np.linalg.norm(features, axis=-1, keepdims=True)
    features = features / np.maximum(norms, 1e-12)
    means = features[:, :shots].mean(1)
    queries = features[:, shots:].reshape(-1, width)
    distances = (means**2).sum(1) - 2 * queries @ means.T
    return np.mean(distances.argmin(1) == np.arange(ways).repeat(rows - shots))


class LabelledFeatures:
    """The arguments that all probes share, checked.

    Features are arrays `(rows, ...)`, which are flattened, and labels arrays
    of int `(rows,)`. Rows labelled -1 are left out; test rows of a class
    without training rows count as wrong.

    Attributes:
        train, test: float32 arrays `(rows, width)`.
        classes: int64 array `(num_classes,)`. The different training labels.
        train_labels: int64 array `(rows,)`, as indices of `classes`.
        test_labels: int64 array `(rows,)`, as given.

    Raises:
        ValueError: for features that are not finite, other numbers of labels
            than rows, different widths, fewer than two classes, and no
            labelled rows.
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
        """Returns whether each prediction, an index of `classes`, is right."""
        return self.classes[predictions] == self.test_labels

    def result(self, predictions: np.ndarray, protocol: str) -> dict[str, Any]:
        """Returns a probe's results for predicted indices of `classes`.

        They are `"accuracy"` in `[0, 1]`; `"majority_class"`, see the function;
        `"num_train"` and `"num_test"`, the numbers of labelled rows; and
        `"protocol"`, one sentence with every setting.
        """
        return {
            "accuracy": float(np.mean(self.is_right(predictions))),
            "majority_class": majority_class(self.test_labels, self.classes),
            "num_train": len(self.train),
            "num_test": len(self.test),
            "protocol": protocol + self._note,
        }


def majority_class(test_labels: np.ndarray, classes: np.ndarray) -> float:
    """Returns the best accuracy of one class as the answer for all rows."""
    return float(max(np.mean(test_labels == name) for name in classes))


def labelled_rows(features, labels, part=""):
    """Returns `checked_rows` with a label, and how many have none."""
    features, labels = checked_rows(features, labels, part)
    kept = labels != UNLABELLED
    if not kept.any():
        raise ValueError(
            f"All {len(labels)} {part}labels are {UNLABELLED}, which stands "
            "for no label: a probe needs labelled rows"
        )
    if kept.all():
        return features, labels, 0
    return features[kept], labels[kept], np.count_nonzero(~kept)


def checked_rows(features, labels, part=""):
    """Returns float32 features `(rows, width)` and int64 labels `(rows,)`.

    `part` is `"train_"` or `"test_"`, for the messages of a `ValueError`.
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
    features = features.reshape(len(features), -1).astype("float32", copy=False)
    finite = np.isfinite(features).all(axis=1)
    if not finite.all():
        raise ValueError(
            f"{part}features must be finite numbers. Received NaN or infinity "
            f"in {np.count_nonzero(~finite)} of {len(finite)} rows, first in "
            f"row {np.argmin(finite)}. Has the training diverged?"
        )
    return features, labels
