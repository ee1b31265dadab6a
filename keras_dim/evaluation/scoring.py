"""Scores of an encoder on labelled images, by any probe."""

import dataclasses
import functools
import inspect
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_dim import batches
from keras_dim import data
from keras_dim.encoders import features as encoder_features
from keras_dim.evaluation.features import extract
from keras_dim.evaluation.few_shot import few_shot
from keras_dim.evaluation.linear_probe import linear_probe
from keras_dim.evaluation.mlp_probe import mlp_probe
from keras_dim.evaluation.nearest_neighbors import nearest_neighbors
from keras_dim.evaluation.raw_pixels import raw_pixels_encoder

# Arguments of `run_probe` beside those of each probe.
FEW_LABELS = {"labels_per_class": None, "num_draws": 1, "draw_seed": 0}
COMMON = {**FEW_LABELS, "test_classes": "all"}
TEST_CLASSES = ("all", "trained")
_NUM_FEW_LABELS = 10


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
    """Runs `few_shot` on the test rows of classes without training rows.

    Args:
        train_features: array. Not used.
        train_labels: array of int. The classes that are left out.
        test_features, test_labels: arrays. Episodes are drawn from these.
        ways, shots, queries, episodes, seed: see `few_shot`.

    Returns:
        dict as of `few_shot`, and `"num_test"`.
    """
    chosen = ~np.isin(test_labels, train_labels)
    result = few_shot(
        test_features[chosen],
        test_labels[chosen],
        ways,
        shots,
        queries,
        episodes,
        seed,
    )
    return {
        **result,
        "num_test": int(chosen.sum()),
        "protocol": f"{result['protocol']}; classes without training images",
    }


PROBES = {
    "linear_probe": linear_probe,
    "mlp_probe": mlp_probe,
    "nearest_neighbors": nearest_neighbors,
    "few_shot": few_shot_probe,
}


class NoLabelsError(ValueError):
    """There are no labels to fit a probe to, or none to score it on."""


@dataclasses.dataclass(frozen=True)
class LabelledImages:
    """Images that probes are fitted to, and images that they are scored on.

    Args:
        train, test: data sets of batches, dicts with `"image"` and `"label"`.
        note: str. The end of a protocol's sentence, on how the images were
            drawn and cut.
    """

    train: Iterable[dict[str, Any]]
    test: Iterable[dict[str, Any]]
    note: str = ""


def labelled_images(
    source: Any,
    split: str = "train",
    test_split: str | None = "test",
    *,
    image_shape: Sequence[int],
    image_size: int | Sequence[int] | None = None,
    max_train_images: int | None = None,
    batch_size: int = 256,
) -> LabelledImages:
    """Opens the labelled images that an encoder is to be scored on.

    Args:
        source: a source for `keras_dim.data.load`.
        split: str. The split that probes are fitted to. Defaults to
            `"train"`.
        test_split: str or None. The split that is scored. Defaults to
            `"test"`.
        image_shape: sequence of int. `(height, width, channels)` that the
            encoder takes.
        image_size: int or `(height, width)`. Size to which images are resized.
            Where it is larger than the encoder's, their centre is cut out.
            Defaults to the encoder's.
        max_train_images: int or None. The most images that probes are fitted
            to: so many are drawn where there are more. Defaults to None.
        batch_size: int. Defaults to `256`.

    Returns:
        `LabelledImages`.

    Raises:
        NoLabelsError: if the images have no labels, or there is no split of
            their own to score on.
        ValueError, FileNotFoundError: as `keras_dim.data.load` does.
    """
    height, width, channels = image_shape
    if image_size is None and height is not None:
        image_size = (height, width)
    pixels = {"image_size": image_size, "channels": channels}
    if test_split is None:
        raise NoLabelsError(f"{source} has no split to score on")
    opened = []
    for part in (split, test_split):
        try:
            opened.append(data.open_source(source, part, **pixels))
        except data.NoSplitError as error:
            raise NoLabelsError(str(error)) from None
        if not opened[-1].has_labels:
            raise NoLabelsError(f"{source} has no labels in {part!r}")
    train, test = (
        data.load(found, part, batch_size, shuffle=False)
        for found, part in zip(opened, (split, test_split), strict=True)
    )
    if _are_the_same(train, test):
        raise NoLabelsError(
            f"{source} has no split {test_split!r} of its own: its images "
            "are those of training"
        )
    note = ""
    total = opened[0].num_images
    if max_train_images is not None and total > max_train_images:
        train = _DrawnImages(train, total, max_train_images, batch_size)
        note += (
            f"; {max_train_images:,} of {total:,} training images, drawn with "
            "seed 0"
        )
    if height and opened[0].image_shape[:2] != (height, width):
        cut = functools.partial(_cut_centers, height=height, width=width)
        train, test = (batches.mapped(part, cut) for part in (train, test))
        note += f"; centre crops of {height} x {width} pixels"
    return LabelledImages(train, test, note)


def score(
    encoder: keras.Model,
    images: LabelledImages,
    feature: str | None = None,
    probe: str = "linear_probe",
    arguments: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Scores one feature of an encoder with one probe.

    Args:
        encoder: `keras.Model`.
        images: `LabelledImages`.
        feature: str. Defaults to `encoders.default_feature(encoder)`.
        probe: str. One of `PROBES`. Defaults to `"linear_probe"`.
        arguments: mapping. See `run_probe`.

    Returns:
        dict as of `compare`, without `"untrained"` and `"raw_pixels"`.

    Example:
    ```python
    images = labelled_images("digits", image_shape=encoder.input_shape[1:])
    score(encoder, images, "fc", "nearest_neighbors", {"k": 5})
    ```
    """
    check_arguments(probe, arguments)
    feature = feature or encoder_features.default_feature(encoder)
    parts = extract_parts(encoder, images, feature)
    return score_features(feature, *parts, images.note, probe, arguments)


def extract_parts(
    encoder: keras.Model, images: LabelledImages, features: str | Sequence[str]
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Returns the features of training and of test images, as `extract`."""
    return tuple(
        extract(encoder, part, features) for part in (images.train, images.test)
    )


def score_features(
    feature: str,
    train: Mapping[str, np.ndarray],
    test: Mapping[str, np.ndarray],
    note: str = "",
    probe: str = "linear_probe",
    arguments: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Returns the dict of `score` for features that were extracted before."""
    result = run_probe(
        train[feature],
        train["label"],
        test[feature],
        test["label"],
        probe,
        arguments,
    )
    return {
        "feature": feature,
        "probe": probe,
        "arguments": dict(arguments or {}),
        **result,
        "protocol": result["protocol"] + note,
    }


def run_probe(
    train_features: np.ndarray,
    train_labels: np.ndarray,
    test_features: np.ndarray,
    test_labels: np.ndarray,
    probe: str = "linear_probe",
    arguments: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Runs a probe by its name, with all labels or with few.

    Args:
        train_features, train_labels, test_features, test_labels: arrays. See
            `linear_probe`.
        probe: str. One of `PROBES`. Defaults to `"linear_probe"`.
        arguments: mapping. The probe's own keyword arguments, and

            * `"labels_per_class"`: int. So many training rows of each class
              are drawn. Defaults to None, all rows;
            * `"num_draws"`: int. How often; the accuracy is the mean.
              Defaults to 1;
            * `"draw_seed"`: int. Defaults to 0;
            * `"test_classes"`: str. `"trained"` leaves out the test rows of
              classes that no training row has, which else count as wrong.
              Defaults to `"all"`.

    Returns:
        The probe's results; with `"labels_per_class"` also
        `"accuracies"`, one for each draw.

    Raises:
        ValueError: for an unknown probe or argument, and for a class with
            too few rows.
    """
    check_arguments(probe, arguments)
    train_labels, test_labels = (
        batches.labels_of(labels, who, allow_unlabelled=True)
        for who, labels in (
            ("train_labels", train_labels),
            ("test_labels", test_labels),
        )
    )
    own = dict(arguments or {})
    few = {name: own.pop(name, value) for name, value in COMMON.items()}
    run = functools.partial(PROBES[probe], **own)
    note = ""
    if few["test_classes"] == "trained":
        known = np.isin(test_labels, train_labels)
        test_features, test_labels = test_features[known], test_labels[known]
        note = "; test images of the classes that have training images"
    num_labels = few["labels_per_class"]
    if num_labels is None:
        result = run(train_features, train_labels, test_features, test_labels)
        return {**result, "protocol": result["protocol"] + note}
    results = []
    generator = np.random.default_rng(few["draw_seed"])
    for _ in range(few["num_draws"]):
        rows = _draw_rows(train_labels, num_labels, generator)
        results.append(
            run(
                train_features[rows],
                train_labels[rows],
                test_features,
                test_labels,
            )
        )
    accuracies = [result["accuracy"] for result in results]
    return {
        **results[-1],
        "accuracy": float(np.mean(accuracies)),
        "accuracies": accuracies,
        "protocol": (
            f"{results[-1]['protocol']}; {num_labels} labels to a class, mean "
            f"of {few['num_draws']} draws with seed {few['draw_seed']}{note}"
        ),
    }


def check_arguments(probe: str, arguments: Mapping[str, Any] | None) -> None:
    """Raises a `ValueError` for an unknown probe or argument of it."""
    if probe not in PROBES:
        raise ValueError(
            f"Unknown probe. Expected one of {list(PROBES)}. Received: "
            f"{probe!r}"
        )
    # The first four are the features and labels.
    own = list(inspect.signature(PROBES[probe]).parameters)[4:]
    known = [*own, *COMMON]
    unknown = [name for name in arguments or {} if name not in known]
    if unknown:
        raise ValueError(
            f"{probe} has no argument {unknown[0]!r}. Expected some of {known}"
        )
    test_classes = (arguments or {}).get("test_classes", "all")
    if test_classes not in TEST_CLASSES:
        raise ValueError(
            f"`test_classes` must be one of {TEST_CLASSES}. Received: "
            f"{test_classes!r}"
        )
    for name in ("labels_per_class", "num_draws"):
        value = (arguments or {}).get(name)
        if value is not None and (not isinstance(value, int) or value < 1):
            raise ValueError(
                f"`{name}` must be an integer of 1 or more. Received: {value!r}"
            )


def compare(
    trained: keras.Model,
    untrained: keras.Model,
    images: LabelledImages,
    test_classes: str = "all",
    report: Callable[[dict[str, Any]], None] | None = None,
) -> list[dict[str, Any]]:
    """Scores an encoder beside itself before training, and raw pixels.

    A linear probe with all labels, nearest neighbours, and a linear probe
    with 10 labels to a class, on the features `"fc"` and `"global"`.

    Args:
        trained, untrained: `keras.Model`, of the same outputs.
        images: `LabelledImages`.
        test_classes: str. See `run_probe`. Defaults to `"all"`.
        report: function that is called with each score as it comes.

    Returns:
        list of dicts: `"feature"`, `"probe"`, `"arguments"` (for
        `run_probe`), `"accuracy"` in `[0, 1]`, `"untrained"` and
        `"raw_pixels"`, the same of these, and the probe's other results. A
        preset's metadata takes them as they are.
    """
    found = encoder_features.features_of(trained)
    names = [name for name in ("fc", "global") if name in found]
    names = names or [encoder_features.default_feature(trained)]
    pixels = raw_pixels_encoder(trained.input_shape[1:])
    of_pixels = extract_parts(pixels, images, "raw_pixels")
    before = extract_parts(untrained, images, names)
    after = extract_parts(trained, images, names)
    scores = []
    for probe, arguments in _default_probes(after[0]["label"]):
        if test_classes != "all":
            arguments["test_classes"] = test_classes

        def run(feature, parts, probe=probe, arguments=arguments):
            return score_features(
                feature, *parts, images.note, probe, arguments
            )

        baseline = run("raw_pixels", of_pixels)["accuracy"]
        for name in names:
            untrained_score = run(name, before)["accuracy"]
            scores.append(
                {
                    **run(name, after),
                    "untrained": untrained_score,
                    "raw_pixels": baseline,
                }
            )
            if report:
                report(scores[-1])
    return scores


def _default_probes(labels):
    labels = labels[labels >= 0]
    _, counts = np.unique(labels, return_counts=True)
    probes = [
        ("linear_probe", {}),
        ("nearest_neighbors", {"k": min(20, len(labels))}),
    ]
    # With hardly more than these, few labels are all labels.
    if counts.min() >= 2 * _NUM_FEW_LABELS:
        few = {"labels_per_class": _NUM_FEW_LABELS, "num_draws": 5}
        probes.append(("linear_probe", few))
    return probes


def _draw_rows(labels, num_labels, generator):
    labels = np.asarray(labels)
    chosen = []
    for name in np.unique(labels[labels >= 0]):
        rows = np.flatnonzero(labels == name)
        if len(rows) < num_labels:
            raise ValueError(
                f"There are only {len(rows)} images of class {name}. "
                f"Received: labels_per_class={num_labels}"
            )
        chosen.append(generator.choice(rows, num_labels, replace=False))
    return np.sort(np.concatenate(chosen))


def _are_the_same(train, test):
    """Whether two splits begin with the very same images."""
    first, second = (
        np.asarray(next(iter(part))["image"]) for part in (train, test)
    )
    return first.shape == second.shape and np.array_equal(first, second)


@dataclasses.dataclass(frozen=True)
class _DrawnImages:
    """A number of images of a data set, drawn with seed 0, in its order."""

    images: Iterable[dict[str, Any]]
    num_images: int
    num_drawn: int
    batch_size: int

    def __iter__(self):
        drawn = np.zeros(self.num_images, bool)
        order = np.random.default_rng(0).permutation(self.num_images)
        drawn[order[: self.num_drawn]] = True
        rest = {}
        for batch in self.images:
            # A source that has lost some images still counts their indices.
            chosen = drawn[np.asarray(batch["index"])]
            for key, values in batch.items():
                values = np.asarray(values)[chosen]
                rest[key] = np.concatenate([rest.get(key, values[:0]), values])
            while len(rest["index"]) >= self.batch_size:
                yield {
                    key: part[: self.batch_size] for key, part in rest.items()
                }
                rest = {
                    key: part[self.batch_size :] for key, part in rest.items()
                }
        if rest and len(rest["index"]):
            yield rest


def _cut_centers(batch, height, width):
    pixels = batch["image"]
    top = (pixels.shape[1] - height) // 2
    left = (pixels.shape[2] - width) // 2
    pixels = pixels[:, top : top + height, left : left + width]
    return {**batch, "image": pixels}
