"""Labelled images, and the scores of an encoder on them by any probe."""

import dataclasses
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_dim import batches
from keras_dim import checks
from keras_dim import data
from keras_dim.data import reading
from keras_dim.encoders import features as encoder_features
from keras_dim.evaluation.features import extract
from keras_dim.evaluation.features import raw_pixels_encoder
from keras_dim.evaluation.probes import few_shot_probe
from keras_dim.evaluation.probes import linear_probe
from keras_dim.evaluation.probes import mlp_probe
from keras_dim.evaluation.probes import nearest_neighbors

# Functions of the features and labels of training, those of test, and others.
PROBES = {
    "linear_probe": linear_probe,
    "mlp_probe": mlp_probe,
    "nearest_neighbors": nearest_neighbors,
    "few_shot": few_shot_probe,
}
# Arguments of `run_probe` beside those of each probe.
COMMON = {"labels_per_class": None, "num_draws": 1, "draw_seed": 0}
COMMON |= {"test_classes": "all"}
TEST_CLASSES = ("all", "trained")
_NUM_FEW_LABELS = 10


class NoLabelsError(ValueError):
    """There are no labels to fit a probe to, or none to score it on."""


@dataclasses.dataclass(frozen=True)
class LabelledImages:
    """Images that probes are fitted to, and images that they are scored on.

    Each are a data set of batches, dicts with `"image"` and `"label"`. `note`
    is the end of a protocol's sentence, on how they were drawn and cut.
    """

    train: Iterable[dict[str, Any]]
    test: Iterable[dict[str, Any]]
    note: str = ""
    # Of training and of test.
    sources: tuple[data.Source, ...] = ()


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
        source: see `keras_dim.data.load`.
        split: str. The split to fit probes to. Defaults to `"train"`.
        test_split: str or None. The split to score. Defaults to `"test"`.
        image_shape: sequence of int. `(height, width, channels)` that the
            encoder takes.
        image_size: int or `(height, width)`. Size to which images are resized,
            and whose centre is cut out. Defaults to the encoder's, which is
            also the least.
        max_train_images: int or None. Number of training images to draw where
            there are more. Defaults to None, all.
        batch_size: int. Defaults to `256`.

    Raises:
        NoLabelsError: without labels, or a split of its own to score on.
        ValueError, FileNotFoundError: as `keras_dim.data.load` does.
    """
    height, width, channels = image_shape
    if image_size is None and height is not None:
        image_size = (height, width)
    if test_split is None:
        raise NoLabelsError(f"{source} has no split to score on")
    opened = []
    for part in (split, test_split):
        try:
            found = data.open_source(
                source, part, image_size=image_size, channels=channels
            )
        except data.NoSplitError as error:
            raise NoLabelsError(str(error)) from None
        if not found.has_labels:
            raise NoLabelsError(f"{source} has no labels in {part!r}")
        opened.append(found)
    sources = tuple(map(reading.held_in_memory, opened))
    train, test = (
        data.load(found, batch_size=batch_size, shuffle=False)
        for found in sources
    )
    first = [np.asarray(next(iter(part))["image"]) for part in (train, test)]
    if np.array_equal(*first):
        raise NoLabelsError(
            f"{source} has no split {test_split!r} of its own: its images "
            "are those of training"
        )
    note = ""
    total = opened[0].num_images
    if max_train_images is not None and total > max_train_images:
        rows = np.random.default_rng(0).permutation(total)[:max_train_images]
        train = _Rows(train, rows)
        drawn = f"{max_train_images:,} of {total:,} training images"
        note += f"; {drawn}, drawn with seed 0"
    rows, columns = opened[0].image_shape[:2]
    if height and (rows, columns) != (height, width):
        # A larger cut than the image would be found out after the training.
        checks.integers(height, image_size=rows)
        checks.integers(width, image_size=columns)
        top, left = (rows - height) // 2, (columns - width) // 2

        def cut(batch):
            pixels = batch["image"][:, top : top + height]
            return {**batch, "image": pixels[:, :, left : left + width]}

        train, test = (batches.mapped(part, cut) for part in (train, test))
        note += f"; centre crops of {height} x {width} pixels"
    return LabelledImages(train, test, note, sources)


class _Rows:
    """The images of some indices, in the order of their data set."""

    def __init__(self, images, rows):
        self._images = images
        self._rows = rows

    def __iter__(self):
        for batch in self._images:
            batch = {name: np.asarray(part) for name, part in batch.items()}
            # A source that has lost some images still counts their indices.
            found = np.isin(batch["index"], self._rows)
            if found.any():
                yield {name: part[found] for name, part in batch.items()}


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
        probe, arguments: see `run_probe`.

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
    extracted = Extracted(encoder, images, feature)
    return extracted.score(feature, probe, arguments)


class Extracted:
    """Features of labelled images, extracted once to be scored repeatedly."""

    def __init__(self, encoder, images, features):
        self._note = images.note
        self.train = extract(encoder, images.train, features)
        self.test = extract(encoder, images.test, features)

    def score(self, feature, probe, arguments) -> dict[str, Any]:
        """Returns the dict of `score`."""
        columns = (feature, "label")
        rows = [part[x] for part in (self.train, self.test) for x in columns]
        result = run_probe(*rows, probe, arguments)
        return {
            "feature": feature,
            "probe": probe,
            "arguments": dict(arguments or {}),
            **result,
            "protocol": result["protocol"] + self._note,
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
            `"labels_per_class"`: int. So many training rows of each class are
            drawn. Defaults to None, all rows;
            `"num_draws"`: int. How often; the accuracy is the mean. Defaults
            to 1;
            `"draw_seed"`: int. Defaults to 0;
            `"test_classes"`: str. `"trained"` leaves out the test rows of
            classes without training rows, which else count as wrong. Defaults
            to `"all"`.

    Returns:
        The probe's results; with `"labels_per_class"` also `"accuracies"`,
        one for each draw.

    An unknown probe or argument and a class with too few rows are
    `ValueError`s.
    """
    check_arguments(probe, arguments)
    train_labels, test_labels = (
        batches.labels_of(labels, f"{part}_labels", allow_unlabelled=True)
        for part, labels in (("train", train_labels), ("test", test_labels))
    )
    own = dict(arguments or {})
    num_labels, num_draws, seed, test_classes = (
        own.pop(name, default) for name, default in COMMON.items()
    )
    note = ""
    if test_classes == "trained":
        known = np.isin(test_labels, train_labels)
        test_features, test_labels = test_features[known], test_labels[known]
        note = "; test images of the classes that have training images"
    draws = [slice(None)]
    if num_labels is not None:
        draw = np.random.default_rng(seed).choice
        draws = [
            _drawn(train_labels, num_labels, draw) for _ in range(num_draws)
        ]
        note = (
            f"; {num_labels} labels to a class, mean of {num_draws} draws with "
            f"seed {seed}{note}"
        )
    test = test_features, test_labels
    results = [
        PROBES[probe](train_features[rows], train_labels[rows], *test, **own)
        for rows in draws
    ]
    result = {**results[-1], "protocol": results[-1]["protocol"] + note}
    if num_labels is not None:
        accuracies = [each["accuracy"] for each in results]
        result["accuracy"] = float(np.mean(accuracies))
        result["accuracies"] = accuracies
    return result


def check_arguments(probe: str, arguments: Mapping[str, Any] | None) -> None:
    """Raises a `ValueError` for an unknown probe or argument of it."""
    checks.one_of(PROBES, probe=probe)
    # The first four are the features and labels.
    known = [*checks.keywords_of(PROBES[probe])[4:], *COMMON]
    for name in arguments or {}:
        checks.one_of(known, **{f"argument of {probe}": name})
    common = COMMON | dict(arguments or {})
    checks.one_of(TEST_CLASSES, test_classes=common["test_classes"])
    counts = {name: common[name] for name in ("labels_per_class", "num_draws")}
    checks.integers(1, **checks.given(**counts))


def compare(
    trained: keras.Model,
    untrained: keras.Model,
    images: LabelledImages,
    test_classes: str = "all",
    report: Callable[[dict[str, Any]], None] | None = None,
) -> list[dict[str, Any]]:
    """Scores an encoder beside itself before training, and raw pixels.

    A linear probe with all labels, nearest neighbours, and a linear probe with
    10 labels to a class, on the features `"fc"` and `"global"`.

    Args:
        trained, untrained: `keras.Model`, of the same outputs.
        images: `LabelledImages`.
        test_classes: str. See `run_probe`. Defaults to `"all"`.
        report: function that is called with each score as it comes.

    Returns:
        list of dicts: `"feature"`, `"probe"`, `"arguments"` (for
        `run_probe`), `"accuracy"` in `[0, 1]`, `"untrained"` and
        `"raw_pixels"`, their accuracies, and the probe's other results.
    """
    found = encoder_features.features_of(trained)
    names = [name for name in ("fc", "global") if name in found]
    names = names or [encoder_features.default_feature(trained)]
    pixels = raw_pixels_encoder(trained.input_shape[1:])
    of_pixels = Extracted(pixels, images, "raw_pixels")
    before = Extracted(untrained, images, names)
    after = Extracted(trained, images, names)
    labels = after.train["label"]
    labels = labels[labels != batches.UNLABELLED]
    _, counts = np.unique(labels, return_counts=True)
    k = min(20, len(labels))
    probes = [("linear_probe", {}), ("nearest_neighbors", {"k": k})]
    # With hardly more than these, few labels are all labels.
    if min(counts, default=0) >= 2 * _NUM_FEW_LABELS:
        few = {"labels_per_class": _NUM_FEW_LABELS, "num_draws": 5}
        probes.append(("linear_probe", few))
    scores = []
    for probe, arguments in probes:
        if test_classes != "all":
            arguments["test_classes"] = test_classes
        baseline = of_pixels.score("raw_pixels", probe, arguments)
        for name in names:
            untrained = before.score(name, probe, arguments)
            entry = after.score(name, probe, arguments)
            entry["untrained"] = untrained["accuracy"]
            entry["raw_pixels"] = baseline["accuracy"]
            scores.append(entry)
            if report:
                report(entry)
    return scores


def _drawn(labels, num_labels, draw):
    """Returns the numbers of some rows of each class, in order."""
    chosen = []
    for name in np.unique(labels[labels != batches.UNLABELLED]):
        rows = np.flatnonzero(labels == name)
        if len(rows) < num_labels:
            raise ValueError(
                f"There are only {len(rows)} images of class {name}. "
                f"Received: labels_per_class={num_labels}"
            )
        chosen.append(draw(rows, num_labels, replace=False))
    return np.sort(np.concatenate(chosen))
