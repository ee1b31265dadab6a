"""Fine-tuning: trains a whole encoder and a classifier on labels."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_dim import batches
from keras_dim import checks
from keras_dim.encoders import features as encoder_features
from keras_dim.evaluation import features as features_lib
from keras_dim.evaluation import probes
from keras_dim.evaluation import scoring


def fine_tune(
    encoder: keras.Model,
    images: scoring.LabelledImages,
    feature: str | None = None,
    label_share: float | None = None,
    labels_per_class: int | None = None,
    num_draws: int = 1,
    draw_seed: int = 0,
    learning_rate: float | Sequence[float] = (1e-3, 1e-4),
    steps: int = 500,
    batch_size: int = 64,
    from_scratch: bool = False,
) -> dict[str, Any]:
    """Trains an encoder and a linear classifier on labels; returns accuracy.

    All weights of a copy are trained by Adam, whose learning rate falls to zero
    along half a cosine; images are not augmented. `keras.utils.set_random_seed`
    determines the initial weights of the classifier.

    Args:
        encoder: functional `keras.Model`. It is not changed.
        images: `LabelledImages`, which are held in memory.
        feature: str. Defaults to `encoders.default_feature(encoder)`.
        label_share, labels_per_class, num_draws, draw_seed: see `run_probe`.
        learning_rate: float; or several, of which the best is chosen on a fifth
            of the training images of the first draw, held out for this.
            Defaults to `(1e-3, 1e-4)`.
        steps: int. Batches to train on. Defaults to 500.
        batch_size: int. Fewer images are repeated. Defaults to 64.
        from_scratch: bool. Whether the copy starts with new weights, as a
            supervised baseline. Defaults to `False`.

    Returns:
        dict: `"accuracy"`, `"majority_class"`, `"num_train"`, `"num_test"` and
        `"protocol"` as of `LabelledFeatures.result`; `"accuracies"` and
        `"deviation"` as of `run_probe`; `"chosen"`, the learning rate.

    Raises:
        ValueError: for arguments out of range, fewer than two classes, and a
            training that diverges.
        NoLabelsError: if no image of a part has a label.
    """
    rates = learning_rate
    if not isinstance(rates, tuple | list):
        rates = (rates,)
    checks.distinct(1, learning_rate=rates)
    for rate in rates:
        checks.above(0, learning_rate=rate)
    checks.integers(1, steps=steps, num_draws=num_draws)
    # Batch normalisation needs two images.
    checks.integers(2, batch_size=batch_size)
    feature = feature or encoder_features.default_feature(encoder)
    encoder_features.features_of(encoder, feature)
    common = {"label_share": label_share, "labels_per_class": labels_per_class}
    common |= {"num_draws": num_draws, "draw_seed": draw_seed}
    scoring.check_arguments("linear_probe", common)
    (train, labels), test = _labelled(images.train), _labelled(images.test)
    classes, labels = np.unique(labels, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(
            "Training images must have at least two classes. Received only "
            f"{classes.tolist()}"
        )
    draws, drawn = scoring.draw_rows(labels, common)
    accuracies = []
    classifier = _classifier(encoder, feature, len(classes), from_scratch)
    start = classifier.get_weights()

    def score(train, test, rate):
        classifier.set_weights(start)
        _train(classifier, *train, rate, steps, batch_size)
        logits = features_lib.extract(classifier, test[0])["output"]
        chosen = classes[probes.greatest(logits, rate)]
        return float(np.mean(chosen == test[1]))

    rate = rates[0]
    for rows in draws:
        of_draw = train[rows], labels[rows]
        if len(rates) > 1 and not accuracies:
            parts = scoring.held_out(np.arange(len(of_draw[1])))
            fitted, held = ([x[part] for x in of_draw] for part in parts)
            held = held[0], classes[held[1]]
            found = [score(fitted, held, each) for each in rates]
            rate = rates[int(np.argmax(found))]
        accuracies.append(score(of_draw, test, rate))
    origin = "new weights" if from_scratch else "its own weights"
    chosen = ""
    if len(rates) > 1:
        share = f"{100 * scoring.HELD_OUT:g} % of the training images"
        chosen = f", chosen of {list(rates)} on {share}, held out"
    return {
        **scoring.summary(accuracies),
        "majority_class": probes.majority_class(test[1], classes),
        "num_train": len(of_draw[1]),
        "num_test": len(test[1]),
        "chosen": rate,
        "protocol": (
            f"the whole encoder, from {origin}, and a linear classifier on "
            f"{feature!r}, {len(classes)} classes, {steps} batches of "
            f"{batch_size} images as they are, Adam with a cosine from "
            f"{rate:g}{chosen}{drawn}{images.note}"
        ),
    }


def _labelled(images):
    """Returns the images that have a label, and their labels, in memory."""
    pixels, labels = [], []
    for batch in batches.iterate(images):
        found = batches.labels_of(batch, "fine_tune", allow_unlabelled=True)
        kept = found != batches.UNLABELLED
        pixels.append(batch["image"][kept])
        labels.append(found[kept])
    if not sum(map(len, labels)):
        raise scoring.NoLabelsError("No image has a label")
    return np.concatenate(pixels), np.concatenate(labels)


def _classifier(encoder, feature, num_classes, from_scratch):
    """Returns a compiled copy of an encoder, with a new linear head."""
    copy = type(encoder).from_config(encoder.get_config())
    if not from_scratch:
        copy.set_weights(encoder.get_weights())
    copy.trainable = True
    features = encoder_features.features_of(copy, feature)[feature]
    features = keras.layers.Flatten(dtype="float32")(features)
    logits = keras.layers.Dense(num_classes, dtype="float32")(features)
    classifier = keras.Model(copy.inputs[0], logits)
    classifier.compile(
        "adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    return classifier


def _train(classifier, images, labels, learning_rate, steps, batch_size):
    # All trainings share a model and an optimizer: new ones are traced again.
    for variable in classifier.optimizer.variables:
        variable.assign(np.zeros(variable.shape, variable.dtype))
    draw = np.random.default_rng(0)
    order = np.empty(0, int)
    for step in range(steps):
        while len(order) < batch_size:
            order = np.append(order, draw.permutation(len(labels)))
        rows, order = order[:batch_size], order[batch_size:]
        cosine = (1 + np.cos(np.pi * step / steps)) / 2
        classifier.optimizer.learning_rate = learning_rate * cosine
        classifier.train_on_batch(images[rows].astype("float32"), labels[rows])
