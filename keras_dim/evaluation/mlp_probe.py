"""The Deep InfoMax paper's probe: one hidden layer on frozen features."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import layers

from keras_dim import checks
from keras_dim import optimizers
from keras_dim.evaluation.labelled_features import LabelledFeatures


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
    """Trains the paper's small classifier and returns its test accuracy.

    Flatten, `units` linear units, dropout, batch normalisation, ReLU, one
    linear unit per class; Adam on the cross entropy. Features are taken as
    they are, everything runs in float32 whatever the global policy, and the
    same seed gives the same score on the same machine.

    Args:
        train_features, train_labels, test_features, test_labels: arrays. See
            `LabelledFeatures`.
        units: int. Width of the hidden layer. Defaults to `200`.
        dropout: float. Share of hidden units dropped. Defaults to `0.1`.
        learning_rate: float. Of Adam, at the start. Defaults to `1e-4`.
        beta_1: float. Adam's decay of the first moment. Defaults to `0.9`.
        batch_size: int. Rows per step; all rows, where there are fewer. The
            rows that do not fill a batch sit out an epoch, others in each.
            Defaults to `64`.
        epochs: int. Defaults to `120`.
        milestones: sequence of int. After how many epochs the learning rate
            is multiplied by `decay`. Defaults to `(50, 100)`.
        decay: float. Defaults to `0.1`.
        seed: int. Of the initial weights, the order and the dropout. Defaults
            to `0`.

    Returns:
        dict as of `LabelledFeatures.result`.

    Differs from the paper: the accuracy is that of the last epoch, not the
    average over the last hundred.

    Reference:
        Hjelm et al., "Learning deep representations by mutual information
        estimation and maximization", ICLR 2019, section 4.1, and the authors'
        code for the schedule.
    """
    checks.integers(1, units=units, epochs=epochs)
    checks.at_least(0, dropout=dropout)
    checks.below(1, dropout=dropout)
    milestones = list(milestones)
    if milestones != sorted(set(milestones)) or min(milestones, default=1) < 1:
        raise ValueError(
            "`milestones` must be rising numbers of epochs from 1 on. "
            f"Received: {milestones}"
        )
    data = LabelledFeatures(
        train_features, train_labels, test_features, test_labels
    )
    (num_train, width), num_classes = data.train.shape, len(data.classes)
    batch_size = min(batch_size, num_train)
    # Batch normalisation compares rows.
    checks.integers(2, batch_size=batch_size)
    steps = num_train // batch_size
    classifier = build_mlp(width, num_classes, units, dropout, seed)
    # Row numbers go in: the features are copied to the device once, and not
    # once an epoch.
    rows = keras.Input((), dtype="int32")
    table = layers.Embedding(
        *data.train.shape,
        "zeros",
        weights=data.train,
        trainable=False,
        dtype="float32",
    )
    trainer = keras.Model(rows, classifier(table(rows)))
    schedule = _schedule(learning_rate, milestones, decay, steps)
    trainer.compile(
        keras.optimizers.Adam(schedule, beta_1=beta_1),
        keras.losses.SparseCategoricalCrossentropy(
            from_logits=True, dtype="float32"
        ),
        steps_per_execution=min(steps, 100),
        auto_scale_loss=False,
    )
    order = np.random.default_rng(seed)
    for _ in range(epochs):
        chosen = order.permutation(num_train)[: steps * batch_size]
        trainer.fit(
            chosen.astype("int32"),
            data.train_labels[chosen].astype("int32"),
            batch_size=batch_size,
            shuffle=False,
            verbose=0,
        )
    scores = classifier.predict(data.test, batch_size=1024, verbose=0)
    decays = ""
    if milestones:
        ends = ", ".join(map(str, milestones))
        decays = f" times {decay:g} after epochs {ends}"
    protocol = (
        f"one hidden layer of {units} units (dropout {dropout:g}, batch "
        f"normalisation, ReLU) on {width} features as they are, "
        f"{num_classes} classes, Adam (learning rate {learning_rate:g}"
        f"{decays}, beta_1 {beta_1:g}), batch {batch_size}, {epochs} epochs, "
        f"seed {seed}, accuracy of the last epoch"
    )
    return data.result(scores.argmax(axis=-1), protocol)


def build_mlp(
    width: int,
    num_classes: int,
    units: int = 200,
    dropout: float = 0.1,
    seed: int = 0,
) -> keras.Model:
    """Returns the classifier, `(batch, width)` to `(batch, num_classes)`."""
    policy = {"dtype": "float32"}

    def dense(units, inputs, seed):
        # Uniform within 1 / sqrt(inputs), the authors' framework's default.
        limit = inputs**-0.5
        uniform = keras.initializers.RandomUniform(-limit, limit, seed=seed)
        return layers.Dense(units, kernel_initializer=uniform, **policy)

    features = keras.Input((width,), **policy)
    x = dense(units, width, seed)(features)
    x = layers.Dropout(dropout, seed=seed + 2, **policy)(x)
    # The authors' framework: epsilon 1e-5, and 0.9 of the old statistics.
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
