"""Trains a classifier on an encoder: a linear layer, then all weights."""

import os
import pathlib
import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_dim import batches
from keras_dim import checks
from keras_dim import encoders
from keras_dim import evaluation
from keras_dim import exporting
from keras_dim import files

FILE = "classifier.keras"
CLASSES = "classes.json"
METRICS = "metrics.json"
SAVED_MODEL = "classifier"


def classify(
    encoder: keras.Model,
    source: Any,
    output: str | os.PathLike,
    *,
    split: str = "train",
    test_split: str | float = "test",
    feature: str | None = None,
    epochs: int = 20,
    patience: int = 3,
    learning_rate: float = 1e-4,
    batch_size: int = 64,
    held_out: float = 0.1,
    seed: int = 0,
    report: Callable[[dict[str, Any]], None] | None = None,
) -> dict[str, Any]:
    """Trains, scores and exports a classifier of labelled images.

    First a logistic regression is fitted to the frozen feature, as by
    `evaluation.linear_probe`. Then all weights but those of batch norms are
    trained by Adam on the cross entropy, without augmentation. A part of each
    class is held out: training stops once its cross entropy has not fallen for
    `patience` epochs. The best weights are kept, which may be those of the
    linear stage.

    Args:
        encoder: functional `keras.Model`. It is not changed.
        source, split: see `data.load`. The labelled images to train on.
        output: str or path. A new folder for `classifier.keras`,
            `classes.json` (the name of each output), `metrics.json` (the
            returned dict) and, on TensorFlow, `classifier`, a SavedModel.
        test_split: str or float. See `evaluation.labelled_images`. Defaults to
            `"test"`.
        feature: str. Defaults to `encoders.default_feature(encoder)`.
        epochs: int. Most epochs of the second stage; 0 skips it. Defaults to
            20.
        patience: int. Epochs without improvement after which training stops.
            Defaults to 3.
        learning_rate: float. Learning rate of Adam. Defaults to `1e-4`.
        batch_size: int. Defaults to 64.
        held_out: float. Share of each class that is held out, at least one
            image of a class of two or more. Defaults to 0.1.
        seed: int. Seed of the choice of images to hold out and of the order of
            the others. Defaults to 0.
        report: function that is called with a dict after each stage and epoch.

    Returns:
        dict: `"accuracy"` of the classifier on the test split, `"linear"`, that
        of its first stage, `"frozen_probe"`, that of `linear_probe` on all
        training images, and `"majority_class"`, all in `[0, 1]`; `"stage"`,
        `"linear"` or `"unfrozen"`, whose weights are kept; `"epochs"` of the
        second stage; `"num_train"`, `"num_held_out"` and `"num_test"` images;
        and the `"arguments"`.

    Raises:
        NoLabelsError: if there are no labels, or no separate images to score
            on.
        ValueError: if `output` exists, or no image can be held out.
    """
    checks.integers(0, epochs=epochs, seed=seed)
    checks.integers(1, patience=patience, batch_size=batch_size)
    checks.above(0, learning_rate=learning_rate, held_out=held_out)
    checks.below(1, held_out=held_out)
    stated = {
        "most_epochs": epochs,
        "patience": patience,
        "seed": seed,
        "learning_rate": learning_rate,
        "batch_size": batch_size,
        "held_out": held_out,
    }
    output = pathlib.Path(output)
    files.refuse_existing(output)
    feature = feature or encoders.default_feature(encoder)
    report = report or (lambda _: None)
    images = evaluation.labelled_images(
        source,
        split,
        test_split,
        image_shape=encoder.input_shape[1:],
        values=encoders.how_read(encoder),
    )
    pixels = images.sources[0]
    # The two sources are the same one if its images were split at random.
    num_images = sum(each.num_images for each in set(images.sources))
    report({"stage": "features", "images": num_images})
    train, test = (
        evaluation.extract(encoder, part, feature)
        for part in (images.train, images.test)
    )
    arguments = train[feature], train["label"], test[feature], test["label"]
    probe = evaluation.linear_probe(*arguments)
    rows = train["index"]
    index = getattr(pixels, "index", None)
    if index is not None:
        # Indices count damaged images; rows of the images in memory do not.
        rows = np.searchsorted(index, rows)
    is_known = train["label"] != batches.UNLABELLED
    classes, labels = np.unique(train["label"][is_known], return_inverse=True)
    features, rows = train[feature][is_known], rows[is_known]
    is_out = _held_out(labels, held_out, seed)

    model = encoders.classifier(encoder, len(classes), feature)
    model.get_layer("probabilities").set_weights(
        _regression(features[~is_out], labels[~is_out])
    )
    parts = [
        _Batches(pixels, rows[part], labels[part], batch_size, order)
        for part, order in ((~is_out, seed), (is_out, None))
    ]

    def compile_model():
        model.compile(
            keras.optimizers.Adam(learning_rate),
            "sparse_categorical_crossentropy",
            metrics=["accuracy"],
        )

    named = keras.Model(model.input, {"probabilities": model.output})

    def test_accuracy():
        found = evaluation.extract(named, images.test, "probabilities")
        chosen = classes[found["probabilities"].argmax(axis=-1)]
        is_known = found["label"] != batches.UNLABELLED
        return float(np.mean((chosen == found["label"])[is_known]))

    compile_model()
    best = model.evaluate(parts[1], verbose=0, return_dict=True)
    report({"stage": "linear", **best})
    linear = accuracy = test_accuracy()
    result = {"stage": "linear", "epochs": 0}
    if epochs:
        before = model.get_weights()
        encoders.unfreeze(model)
        compile_model()
        stop = keras.callbacks.EarlyStopping(
            "val_loss", patience=patience, restore_best_weights=True
        )
        history = model.fit(
            parts[0],
            validation_data=parts[1],
            epochs=epochs,
            callbacks=[stop, _Report(report, epochs)],
            shuffle=False,
            verbose=0,
        ).history["val_loss"]
        # A loss of NaN is no improvement.
        if np.nanmin([*history, np.inf]) < best["loss"]:
            result["stage"], accuracy = "unfrozen", test_accuracy()
        else:
            model.set_weights(before)
        result["epochs"] = len(history)
    result |= {
        "accuracy": accuracy,
        "linear": linear,
        "frozen_probe": probe["accuracy"],
        "majority_class": probe["majority_class"],
        "num_train": int(np.count_nonzero(~is_out)),
        "num_held_out": int(np.count_nonzero(is_out)),
        "num_test": probe["num_test"],
        "arguments": {"feature": feature, **stated},
    }
    names = pixels.class_names
    names = [names[label] if names else str(label) for label in classes]
    with files.atomic_folder(output) as folder:
        model.save(folder / FILE)
        files.write_json(folder / CLASSES, names)
        files.write_json(folder / METRICS, result)
        if keras.backend.backend() == "tensorflow":
            exporting.export(named, folder / SAVED_MODEL)
    return result


class _Batches(keras.utils.PyDataset):
    """Pairs of images and labels of some rows, shuffled if there is a seed."""

    def __init__(self, source, rows, labels, batch_size, seed=None):
        super().__init__(workers=1)
        self._source, self._rows, self._labels = source, rows, labels
        self._batch_size = batch_size
        self._random = None if seed is None else np.random.default_rng(seed)
        self._order = np.arange(len(rows))
        self.on_epoch_end()

    def __len__(self):
        return -(-len(self._rows) // self._batch_size)

    def __getitem__(self, number):
        begin = number * self._batch_size
        chosen = self._order[begin : begin + self._batch_size]
        images = self._source.read(self._rows[chosen])["image"]
        return images, self._labels[chosen]

    def on_epoch_end(self):
        if self._random is not None:
            self._random.shuffle(self._order)


class _Report(keras.callbacks.Callback):
    def __init__(self, report, epochs):
        super().__init__()
        self._report, self._epochs = report, epochs

    def on_epoch_begin(self, epoch, logs=None):
        self._begin = time.monotonic()

    def on_epoch_end(self, epoch, logs=None):
        about = {"epoch": epoch + 1, "epochs": self._epochs}
        about["seconds"] = time.monotonic() - self._begin
        self._report({"stage": "unfrozen", **about, **logs})


def _held_out(labels, share, seed):
    """Returns whether each row is held out, drawn for each class."""
    random = np.random.default_rng(seed)
    is_out = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        rows = random.permutation(np.flatnonzero(labels == label))
        # At least one image of each class stays for training.
        num_out = min(max(1, round(share * len(rows))), len(rows) - 1)
        is_out[rows[:num_out]] = True
    if not is_out.any():
        raise ValueError(
            "No image can be held out, as no class has two labelled images. "
            f"Received: {len(labels)} labelled images"
        )
    return is_out


def _regression(features, labels):
    """Fits a logistic regression to standardised features.

    Returns its kernel `(width, classes)` and bias for features as they are.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(features)
    regression = LogisticRegression(max_iter=1000)
    regression.fit(scaler.transform(features), labels)
    weights, bias = regression.coef_, regression.intercept_
    if len(weights) == 1:
        # scikit-learn has one logit for two classes: the difference of two.
        weights = np.concatenate([-weights / 2, weights / 2])
        bias = np.concatenate([-bias / 2, bias / 2])
    kernel = (weights / scaler.scale_).T
    return [kernel, bias - scaler.mean_ @ kernel]
