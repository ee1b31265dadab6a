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
from keras_dim.evaluation.probes import few_shot_probe
from keras_dim.evaluation.probes import linear_probe
from keras_dim.evaluation.probes import mlp_probe
from keras_dim.evaluation.probes import nearest_neighbors
from keras_dim.evaluation.probes import sgd_probe

# Functions of the features and labels of training, those of test, and others.
PROBES = {
    "linear_probe": linear_probe,
    "sgd_probe": sgd_probe,
    "mlp_probe": mlp_probe,
    "nearest_neighbors": nearest_neighbors,
    "few_shot": few_shot_probe,
}
# Arguments of `run_probe` beside those of each probe.
COMMON = {"labels_per_class": None, "num_draws": 1, "draw_seed": 0}
COMMON |= {"test_classes": "all", "label_share": None, "num_seeds": 1}
COMMON |= {"candidates": None}
TEST_CLASSES = ("all", "trained")
_NUM_FEW_LABELS = 10
# The share of the training rows on which `candidates` are compared.
HELD_OUT = 0.2


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
    test_split: str | float | None = "test",
    *,
    image_shape: Sequence[int],
    image_size: int | Sequence[int] | None = None,
    max_train_images: int | None = None,
    batch_size: int = 256,
    values: str = "8_bit",
) -> LabelledImages:
    """Opens the labelled images that an encoder is to be scored on.

    Args:
        source: see `keras_dim.data.load`.
        split: str. The split to fit probes to. Defaults to `"train"`.
        test_split: str, float or None. The split to score, or the share of
            the images of `split` to score, between 0 and 1: they are drawn
            with seed 0, and probes are fitted to the others. Defaults to
            `"test"`.
        image_shape: sequence of int. `(height, width, channels)` that the
            encoder takes.
        image_size: int or `(height, width)`. Size to which images are resized,
            and whose centre is cut out. Defaults to the encoder's, which is
            also the least.
        max_train_images: int or None. Number of training images to draw where
            there are more. Defaults to None, all.
        batch_size: int. Defaults to `256`.
        values: str. See `keras_dim.data.open_source`. Defaults to `"8_bit"`.

    Raises:
        NoLabelsError: without labels, or a split of its own to score on.
        ValueError, FileNotFoundError: as `keras_dim.data.load` does.
    """
    height, width, channels = image_shape
    if image_size is None and height is not None:
        image_size = (height, width)
    if test_split is None:
        raise NoLabelsError(f"{source} has no split to score on")
    is_share = not isinstance(test_split, str)
    if is_share:
        checks.between(0, 1, test_split=test_split)
    opened = []
    for part in (split,) if is_share else (split, test_split):
        try:
            found = data.open_source(
                source,
                part,
                image_size=image_size,
                channels=channels,
                values=values,
            )
        except data.NoSplitError:
            raise NoLabelsError(
                f"{source} has no split {part!r}: its images are one set. "
                "test_split=0.2 (--test_split 0.2) scores a fifth of them, and "
                "leaves these out of training"
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
        dict as of `compare_with_untrained`, without those of the others.

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
            `"label_share"`: float. That share of each class, one row at least,
            is drawn instead;
            `"num_draws"`: int. How often; the accuracy is the mean. Defaults
            to 1;
            `"draw_seed"`: int. Defaults to 0;
            `"num_seeds"`: int. How often a probe with a `seed` runs on each
            draw, with that seed and the next ones. Defaults to 1;
            `"candidates"`: mapping from arguments to values. Of all their
            combinations, the one is taken that does best on a fifth of the
            training rows, held out for that; then all of them are fitted to;
            `"test_classes"`: str. `"trained"` leaves out the test rows of
            classes without training rows, which else count as wrong. Defaults
            to `"all"`.

    Returns:
        The probe's results; where it was repeated, also `"accuracies"`, one
        for each time, and `"deviation"`, their standard deviation; with
        `"candidates"` also `"chosen"`, the arguments of the last draw.

    An unknown probe or argument and a class with too few rows are
    `ValueError`s.
    """
    check_arguments(probe, arguments)
    train_labels, test_labels = (
        batches.labels_of(labels, f"{part}_labels", allow_unlabelled=True)
        for part, labels in (("train", train_labels), ("test", test_labels))
    )
    own = dict(arguments or {})
    common = {name: own.pop(name, default) for name, default in COMMON.items()}
    note = ""
    if common["test_classes"] == "trained":
        known = np.isin(test_labels, train_labels)
        test_features, test_labels = test_features[known], test_labels[known]
        note = "; test images of the classes that have training images"
    draws, drawn = draw_rows(train_labels, common)
    num_seeds = common["num_seeds"]
    if num_seeds > 1:
        drawn += f"; mean of {num_seeds} seeds"
    test = test_features, test_labels
    results = []
    for rows in draws:
        train = train_features[rows], train_labels[rows]
        best = {}
        if common["candidates"]:
            best = _chosen(train, probe, own, common["candidates"])
        for seed in range(num_seeds):
            of_run = own | best
            if num_seeds > 1:
                of_run["seed"] = own.get("seed", 0) + seed
            results.append(PROBES[probe](*train, *test, **of_run))
    if common["candidates"]:
        note += (
            f"; {' and '.join(common['candidates'])} chosen on "
            f"{100 * HELD_OUT:g} % of the training images, held out"
        )
        results[-1]["chosen"] = best
    result = {
        **results[-1],
        "protocol": results[-1]["protocol"] + drawn + note,
    }
    if drawn:
        result |= summary([each["accuracy"] for each in results])
    return result


def summary(accuracies: Sequence[float]) -> dict[str, Any]:
    """Returns the mean of accuracies, themselves and their deviation."""
    result = {"accuracy": float(np.mean(accuracies)), "accuracies": accuracies}
    if len(accuracies) > 1:
        result["deviation"] = float(np.std(accuracies, ddof=1))
    return result


def draw_rows(
    labels: np.ndarray, common: Mapping[str, Any]
) -> tuple[list[Any], str]:
    """Returns the training rows of each draw, and a clause on them.

    `common` has the entries of `COMMON` on labels and draws.
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
    """Returns the rows to fit to, and the fifth on which to choose."""
    order = np.random.default_rng(0).permutation(rows)
    cut = max(1, round(HELD_OUT * len(order)))
    return order[cut:], order[:cut]


def _chosen(train, probe, own, candidates):
    """Returns the arguments that do best on held-out training rows."""
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
        if common["labels_per_class"] is not None:
            raise ValueError(
                "Give labels_per_class or label_share. Received: both"
            )
    if common["num_seeds"] > 1 and "seed" not in known:
        raise ValueError(
            f"{probe} draws nothing: it gives the same for every seed. "
            f"Received: num_seeds={common['num_seeds']}"
        )
    for name, values in (candidates or {}).items():
        checks.one_of(known[: -len(COMMON)], **{f"argument of {probe}": name})
        checks.distinct(1, **{f"candidates of {name}": values})


def compare_with_untrained(
    trained: keras.Model,
    untrained: keras.Model,
    images: LabelledImages,
    test_classes: str = "all",
    report: Callable[[dict[str, Any]], None] | None = None,
    start: keras.Model | None = None,
) -> list[dict[str, Any]]:
    """Scores an encoder beside an untrained one, and raw pixels.

    A linear probe with all labels, nearest neighbours, and a linear probe with
    10 labels to a class, on the features `"fc"` and `"global"`.

    Args:
        trained, untrained: `keras.Model`, of the same outputs.
        images: `LabelledImages`.
        test_classes: str. See `run_probe`. Defaults to `"all"`.
        report: function that is called with each score as it comes.
        start: `keras.Model`, of the same outputs. The trained encoder from
            which the training started, if it did. Defaults to None.

    Returns:
        list of dicts: `"feature"`, `"probe"`, `"arguments"` (for
        `run_probe`), `"accuracy"` in `[0, 1]`, `"untrained"`, `"raw_pixels"`
        and, if it is given, `"start"`, their accuracies, and the probe's other
        results.
    """
    found = encoder_features.features_of(trained)
    names = [name for name in ("fc", "global") if name in found]
    names = names or [encoder_features.default_feature(trained)]
    values = stored_values.value_range(trained)
    pixels = raw_pixels_encoder(trained.input_shape[1:], values)
    of_pixels = Extracted(pixels, images, "raw_pixels")
    others = {"untrained": untrained, "start": start}
    before = {
        who: Extracted(encoder, images, names)
        for who, encoder in others.items()
        if encoder is not None
    }
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
    """Returns the numbers of some rows of each class, in order."""
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
