"""Labelled images, and the scores of an encoder on them by any probe."""

import dataclasses
import itertools
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
from keras_dim.encoders import stored_values
from keras_dim.evaluation.features import extract
from keras_dim.evaluation.features import raw_pixels_encoder
from keras_dim.evaluation.probes import checked_rows
from keras_dim.evaluation.probes import few_shot_probe
from keras_dim.evaluation.probes import linear_probe
from keras_dim.evaluation.probes import mlp_probe
from keras_dim.evaluation.probes import nearest_neighbors
from keras_dim.evaluation.probes import sgd_probe

# Functions of training features, training labels, test features, test labels,
# and their own arguments.
PROBES = {
    "linear_probe": linear_probe,
    "sgd_probe": sgd_probe,
    "mlp_probe": mlp_probe,
    "nearest_neighbors": nearest_neighbors,
    "few_shot": few_shot_probe,
}
# Arguments that `run_probe` takes for every probe.
COMMON = dict(labels_per_class=None, num_draws=1, draw_seed=0, num_seeds=1)
COMMON |= dict(test_classes="all", label_share=None, candidates=None)
TEST_CLASSES = ("all", "trained")
_NUM_FEW_LABELS = 10
# Share of the training rows on which `candidates` are compared.
HELD_OUT = 0.2


class NoLabelsError(ValueError):
    """There are no labels to fit a probe to, or none to score it by."""


@dataclasses.dataclass(frozen=True)
class LabelledImages:
    """Images that probes are fitted to, and images that they are scored on.

    Attributes:
        train, test: data sets of batches, dicts with `"image"` and `"label"`.
        note: str. The end of a protocol's sentence: how the images were drawn
            and cropped.
        sources: tuple of the two sources of the images, or `()`.
    """

    train: Iterable[dict[str, Any]]
    test: Iterable[dict[str, Any]]
    note: str = ""
    sources: tuple[data.Source, ...] = ()


def labelled_images(
    source: Any,
    split: str = "train",
    test_split: str | float | None = "test",
    *,
    image_shape: Sequence[int],
    image_size: int | Sequence[int] | None = None,
    max_train_images: int | None = None,
    batch_size: int = 256,
    values: str = "8_bit",
) -> LabelledImages:
    """Opens labelled images on which an encoder will be scored.

    Args:
        source: see `keras_dim.data.load`.
        split: str. The split to fit probes to. Defaults to `"train"`.
        test_split: str, float or None. The split to score on; or the share of
            the images of `split`, between 0 and 1, which is drawn with seed 0
            and left out of training. Defaults to `"test"`.
        image_shape: sequence of int. `(height, width, channels)` that the
            encoder takes.
        image_size: int or `(height, width)`. Size to which images are resized
            before their centre is cropped to the encoder's size, at least the
            latter. Defaults to the encoder's size.
        max_train_images: int or None. Most training images; if there are more,
            so many are drawn with seed 0. Defaults to None, all.
        batch_size: int. Defaults to `256`.
        values: str. See `keras_dim.data.open_source`. Defaults to `"8_bit"`.

    Raises:
        NoLabelsError: without labels, or without test images apart from the
            training images.
        ValueError, FileNotFoundError: as `keras_dim.data.load` does.
    """
    checks.integers(1, **checks.given(max_train_images=max_train_images))
    height, width, channels = image_shape
    if image_size is None and height is not None:
        image_size = (height, width)
    if test_split is None:
        raise NoLabelsError(f"{source} has no split to score on")
    is_share = not isinstance(test_split, str)
    if is_share:
        checks.between(0, 1, test_split=test_split)
    options = dict(image_size=image_size, channels=channels, values=values)
    opened = []
    for part in (split,) if is_share else (split, test_split):
        try:
            found = data.open_source(source, part, **options)
        except data.NoSplitError:
            raise NoLabelsError(
                f"{source} has no split {part!r}: its images are one set. "
                "test_split=0.2 (--test_split 0.2) scores a fifth of them, and "
                "trains on the others"
            ) from None
        if not found.has_labels:
            where = f" in {part!r}" if part else ""
            raise NoLabelsError(f"{source} has no labels{where}")
        opened.append(found)
    sources = tuple(map(reading.held_in_memory, opened))
    if is_share:
        sources *= 2
    train, test = (
        data.load(found, batch_size=batch_size, shuffle=False)
        for found in sources
    )
    note = ""
    total = opened[0].num_images
    rows = np.random.default_rng(0).permutation(total)
    if is_share:
        num_test = round(test_split * total)
        checks.integers(1, total - 1, **{"number of test images": num_test})
        test, rows = _Rows(test, rows[:num_test]), rows[num_test:]
        train = _Rows(train, rows)
        note += f"; {num_test:,} of {total:,} images drawn for test with seed 0"
    first = [np.asarray(next(iter(part))["image"]) for part in (train, test)]
    if np.array_equal(*first):
        raise NoLabelsError(
            f"{source} has no split {test_split!r} of its own: its images "
            "are those of training"
        )
    if max_train_images is not None and len(rows) > max_train_images:
        train = _Rows(train, rows[:max_train_images])
        drawn = f"{max_train_images:,} of {len(rows):,} training images"
        note += f"; {drawn}, drawn with seed 0"
    rows, columns = opened[0].image_shape[:2]
    if height and (rows, columns) != (height, width):
        # Otherwise a crop larger than the image would fail after the training.
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
    """The images of a data set whose `"index"` is among `rows`."""

    def __init__(self, images, rows):
        self._images = images
        self._rows = rows

    def __iter__(self):
        for batch in self._images:
            batch = {name: np.asarray(part) for name, part in batch.items()}
            # Positions differ from indices after a damaged image.
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
        dict: `"feature"`, `"probe"`, `"arguments"`, and the results of
        `run_probe`.

    Raises:
        ValueError: for unknown features, probes and arguments, and images
            without labels.

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
        for found in (self.train, self.test):
            found["label"] = batches.labels_of(found, allow_unlabelled=True)

    def score(self, feature, probe, arguments) -> dict[str, Any]:
        """Returns the results of `score`."""
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
            `LabelledFeatures`.
        probe: str. One of `PROBES`. Defaults to `"linear_probe"`.
        arguments: mapping. The probe's own keyword arguments, and
            `"labels_per_class"`: int. Number of training rows that are drawn
            of each class. Defaults to None, all rows;
            `"label_share"`: float. Share of each class that is drawn instead,
            at least one row;
            `"num_draws"`: int. Number of draws, whose accuracies are averaged.
            Defaults to 1;
            `"draw_seed"`: int. Defaults to 0;
            `"num_seeds"`: int. Number of runs on each draw of a probe with a
            `seed`: with this seed and the following ones. Defaults to 1;
            `"candidates"`: mapping from names of arguments to sequences of
            values. The best of all combinations is chosen on a fifth of the
            training rows, held out for this, and then fitted to all of them;
            `"test_classes"`: str. `"trained"` leaves out test rows of classes
            without training rows, which otherwise count as wrong. Defaults to
            `"all"`.

    Returns:
        The probe's results. With few labels or several seeds, also
        `"accuracies"`, one for each run, and `"deviation"`, their standard
        deviation; with `"candidates"` also `"chosen"`, the arguments of the
        last draw.

    Raises:
        ValueError: for an unknown probe or argument, arrays that
            `LabelledFeatures` refuses, and a class with too few rows.
    """
    check_arguments(probe, arguments)
    train = checked_rows(train_features, train_labels, "train_")
    test = checked_rows(test_features, test_labels, "test_")
    own = dict(arguments or {})
    common = {name: own.pop(name, default) for name, default in COMMON.items()}
    note = ""
    if common["test_classes"] == "trained":
        known = np.isin(test[1], train[1])
        test = [column[known] for column in test]
        note = "; test images of the classes that have training images"
    draws, drawn = draw_rows(train[1], common)
    num_seeds, candidates = common["num_seeds"], common["candidates"]
    if num_seeds > 1:
        drawn += f"; mean of {num_seeds} seeds"
    results = []
    for rows in draws:
        fitted = [column[rows] for column in train]
        best = _chosen(fitted, probe, own, candidates) if candidates else {}
        for seed in range(num_seeds):
            of_run = own | best
            if num_seeds > 1:
                of_run["seed"] = own.get("seed", 0) + seed
            results.append(PROBES[probe](*fitted, *test, **of_run))
    result = results[-1]
    if candidates:
        note += (
            f"; {' and '.join(candidates)} chosen on {100 * HELD_OUT:g} % of "
            "the training images, held out"
        )
        result["chosen"] = best
    result["protocol"] += drawn + note
    if drawn:
        result |= summary([each["accuracy"] for each in results])
    return result


def summary(accuracies: Sequence[float]) -> dict[str, Any]:
    """Returns the mean of accuracies, all of them, and their deviation."""
    result = {"accuracy": float(np.mean(accuracies)), "accuracies": accuracies}
    if len(accuracies) > 1:
        result["deviation"] = float(np.std(accuracies, ddof=1))
    return result


def draw_rows(
    labels: np.ndarray, common: Mapping[str, Any]
) -> tuple[list[Any], str]:
    """Returns the indices of each draw of training rows, and a description.

    `common` has the entries of `COMMON` about labels and draws.
    """
    number, share = common["labels_per_class"], common["label_share"]
    num_draws, seed = common["num_draws"], common["draw_seed"]
    if number is None and share is None:
        return [slice(None)], ""
    draw = np.random.default_rng(seed).choice
    draws = [_drawn(labels, number, share, draw) for _ in range(num_draws)]
    size = f"{number} labels to a class"
    if number is None:
        size = f"{100 * share:g} % of the labels ({len(draws[0])})"
    return draws, f"; {size}, mean of {num_draws} draws with seed {seed}"


def held_out(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Splits rows at random: four fifths to fit to, one to choose on."""
    order = np.random.default_rng(0).permutation(rows)
    cut = max(1, round(HELD_OUT * len(order)))
    return order[cut:], order[:cut]


def _chosen(train, probe, own, candidates):
    """Returns the arguments of greatest accuracy on held-out training rows."""
    features, labels = train
    parts = held_out(np.flatnonzero(labels != batches.UNLABELLED))
    rows = [x[part] for part in parts for x in (features, labels)]
    grid = [
        dict(zip(candidates, values, strict=True))
        for values in itertools.product(*candidates.values())
    ]
    scores = [PROBES[probe](*rows, **own, **each)["accuracy"] for each in grid]
    return grid[int(np.argmax(scores))]


def check_arguments(probe: str, arguments: Mapping[str, Any] | None) -> None:
    """Raises a `ValueError` for an unknown probe or argument of it."""
    checks.one_of(PROBES, probe=probe)
    # The first four are the features and labels.
    known = [*checks.keywords_of(PROBES[probe])[4:], *COMMON]
    for name in arguments or {}:
        checks.one_of(known, **{f"argument of {probe}": name})
    common = COMMON | dict(arguments or {})
    checks.one_of(TEST_CLASSES, test_classes=common["test_classes"])
    counts = ("labels_per_class", "num_draws", "num_seeds")
    checks.integers(1, **checks.given(**{n: common[n] for n in counts}))
    share, candidates = common["label_share"], common["candidates"]
    if share is not None:
        checks.above(0, label_share=share)
        checks.between(0, 1, label_share=share)
    few = checks.given(share=share, number=common["labels_per_class"])
    if len(few) > 1 or (not few and common["num_draws"] > 1):
        received = "both" if few else "neither, with num_draws"
        raise ValueError(
            f"Give labels_per_class or label_share. Received: {received}"
        )
    if common["num_seeds"] > 1 and "seed" not in known:
        raise ValueError(
            f"{probe} draws nothing: it gives the same for every seed. "
            f"Received: num_seeds={common['num_seeds']}"
        )
    for name, values in (candidates or {}).items():
        checks.one_of(known[: -len(COMMON)], **{f"argument of {probe}": name})
        checks.distinct(1, **{f"candidates of {name}": values})
        if name in arguments:
            raise ValueError(
                f"Give {name} or candidates of {name}. Received: both"
            )


def compare_with_untrained(
    trained: keras.Model,
    untrained: keras.Model,
    images: LabelledImages,
    test_classes: str = "all",
    report: Callable[[dict[str, Any]], None] | None = None,
    start: keras.Model | None = None,
) -> list[dict[str, Any]]:
    """Scores an encoder beside an untrained one and raw pixels.

    By a linear probe with all labels, nearest neighbours, and a linear probe
    with 10 labels per class, on those of the features `"fc"` and `"global"`
    that the encoder has, or else its default feature.

    Args:
        trained, untrained: functional `keras.Model`s with the same outputs.
        images: `LabelledImages`.
        test_classes: str. See `run_probe`. Defaults to `"all"`.
        report: function that is called with each score when it is ready.
        start: `keras.Model` with the same outputs, the encoder that the
            training started from, or None for new weights. Defaults to None.

    Returns:
        list of dicts: the results of `score`, and the accuracies of the other
        encoders on the same feature, `"untrained"`, `"raw_pixels"` and, if
        given, `"start"`.
    """
    found = encoder_features.features_of(trained)
    names = [name for name in ("fc", "global") if name in found]
    names = names or [encoder_features.default_feature(trained)]
    values = stored_values.value_range(trained)
    pixels = raw_pixels_encoder(trained.input_shape[1:], values)
    of_pixels = Extracted(pixels, images, "raw_pixels")
    others = checks.given(untrained=untrained, start=start)
    before = {
        who: Extracted(encoder, images, names)
        for who, encoder in others.items()
    }
    after = Extracted(trained, images, names)
    labels = after.train["label"]
    labels = labels[labels != batches.UNLABELLED]
    _, counts = np.unique(labels, return_counts=True)
    k = min(20, len(labels))
    probes = [("linear_probe", {}), ("nearest_neighbors", {"k": k})]
    # With hardly more labels, the few would be almost all of them.
    if min(counts, default=0) >= 2 * _NUM_FEW_LABELS:
        few = {"labels_per_class": _NUM_FEW_LABELS, "num_draws": 5}
        probes.append(("linear_probe", few))
    scores = []
    for probe, arguments in probes:
        if test_classes != "all":
            arguments["test_classes"] = test_classes
        baseline = of_pixels.score("raw_pixels", probe, arguments)
        for name in names:
            entry = after.score(name, probe, arguments)
            for who, extracted in before.items():
                score = extracted.score(name, probe, arguments)
                entry[who] = score["accuracy"]
            entry["raw_pixels"] = baseline["accuracy"]
            scores.append(entry)
            if report:
                report(entry)
    return scores


def _drawn(labels, number, share, draw):
    """Returns the sorted indices of rows drawn from each class."""
    chosen = []
    for name in np.unique(labels[labels != batches.UNLABELLED]):
        rows = np.flatnonzero(labels == name)
        size = number or max(1, round(share * len(rows)))
        if len(rows) < size:
            raise ValueError(
                f"There are only {len(rows)} images of class {name}. "
                f"Received: labels_per_class={number}"
            )
        chosen.append(draw(rows, size, replace=False))
    return np.sort(np.concatenate(chosen))
