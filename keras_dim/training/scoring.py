"""How good an encoder's features are, beside the pixels it began with."""

import dataclasses
import inspect
import json
import os
import pathlib
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_dim import data
from keras_dim import evaluation
from keras_dim import files
from keras_dim import model_files
from keras_dim.training import pretraining
from keras_dim.training.recipe import TEST_CLASSES
from keras_dim.training.recipe import Recipe

# What `run_probe` takes beside the arguments of each probe.
FEW_LABELS = {"labels_per_class": None, "num_draws": 1, "draw_seed": 0}
COMMON = {**FEW_LABELS, "test_classes": "all"}
# Most bytes of pixels in float32 that a run's scores work with.
MAX_PIXEL_BYTES = 2**30
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
    """Runs `evaluation.few_shot` on classes that no training image has.

    Args:
        train_features: array. Not looked at.
        train_labels: array of int. The classes that are left out.
        test_features, test_labels: arrays. What episodes are drawn from.
        ways, shots, queries, episodes, seed: see `evaluation.few_shot`.

    Returns:
        What `evaluation.few_shot` does, and `"num_test"`.
    """
    chosen = ~np.isin(test_labels, train_labels)
    result = evaluation.few_shot(
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
    "linear_probe": evaluation.linear_probe,
    "mlp_probe": evaluation.mlp_probe,
    "nearest_neighbors": evaluation.nearest_neighbors,
    "few_shot": few_shot_probe,
}


class NoLabelsError(ValueError):
    """There are no labels to fit a probe to, or none to score it on."""


@dataclasses.dataclass(frozen=True)
class LabelledImages:
    """Images that probes are fitted to, and images that they are scored on.

    Args:
        train, test: data sets of batches, dicts with `"image"` and `"label"`.
        note: str. What was done to the images, as the end of a protocol's
            sentence.
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
        source: what `keras_dim.data.load` takes.
        split: str. The split that probes are fitted to. Defaults to
            `"train"`.
        test_split: str or None. The split that is scored. Defaults to
            `"test"`.
        image_shape: sequence of int. `(height, width, channels)` that the
            encoder takes.
        image_size: int or `(height, width)`. What images are resized to.
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
        train = _Again(_draw, train, total, max_train_images, batch_size)
        note += (
            f"; {max_train_images:,} of {total:,} training images, drawn with "
            "seed 0"
        )
    if height and opened[0].image_shape[:2] != (height, width):
        train, test = (
            _Again(_cut_centres, part, height, width) for part in (train, test)
        )
        note += f"; centre crops of {height} x {width} pixels"
    return LabelledImages(train, test, note)


def labelled_images_of(recipe: Recipe) -> LabelledImages:
    """Opens what the encoder of a recipe is to be scored on.

    Raises:
        NoLabelsError: see `labelled_images`.
    """
    image_shape = recipe.encoder_shape(_image_shape(recipe))
    pixels = int(np.prod(image_shape))
    return labelled_images(
        recipe.source,
        recipe.probe_split or recipe.split,
        recipe.test_split,
        image_shape=image_shape,
        image_size=recipe.scoring_image_size(),
        # The split does not depend on the feature, so that scores compare.
        max_train_images=MAX_PIXEL_BYTES // (4 * pixels),
    )


def score_run(
    directory: str | os.PathLike,
    images: LabelledImages | None = None,
    report: Callable[[dict[str, Any]], None] | None = None,
) -> list[dict[str, Any]]:
    """Scores what a run has trained, and writes it to its `metrics.json`.

    A linear probe with all labels, nearest neighbours, and a linear probe
    with 10 labels to a class, on the features `"fc"` and `"global"`; each
    also on those of the encoder before training, and on raw pixels.

    Args:
        directory: str or path. The folder of a finished run.
        images: `LabelledImages`. Defaults to those of the run's recipe.
        report: function that is called with each score as it comes.

    Returns:
        list of dicts: `"feature"`, `"probe"`, `"arguments"` (for
        `run_probe`), `"accuracy"` in `[0, 1]`, `"untrained"` and
        `"raw_pixels"`, the same of these, `"num_train"`, `"num_test"` and
        `"protocol"`. A preset's metadata takes them as they are.

    Raises:
        NoLabelsError: see `labelled_images`.
    """
    directory = pathlib.Path(directory)
    recipe = Recipe.load(directory / pretraining.RECIPE)
    if images is None:
        images = labelled_images_of(recipe)
    trained = model_files.load_model(directory / pretraining.ENCODER)
    untrained = model_files.load_model(directory / pretraining.UNTRAINED)
    pixels = evaluation.raw_pixels_encoder(trained.input_shape[1:])
    scores = _compare(
        trained, untrained, pixels, images, recipe.test_classes, report
    )
    path = directory / pretraining.METRICS
    metrics = json.loads(path.read_text(encoding="utf-8"))
    files.write_json(path, {**metrics, "scores": scores})
    return scores


def score(
    encoder: keras.Model,
    images: LabelledImages,
    feature: str = "fc",
    probe: str = "linear_probe",
    arguments: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Scores one feature of an encoder with one probe.

    Args:
        encoder: `keras.Model`.
        images: `LabelledImages`.
        feature: str. Defaults to `"fc"`.
        probe: str. One of `PROBES`. Defaults to `"linear_probe"`.
        arguments: mapping. See `run_probe`.

    Returns:
        dict as of `score_run`, without what is compared with.

    Example:
    ```python
    images = labelled_images("digits", image_shape=encoder.input_shape[1:])
    score(encoder, images, "fc", "nearest_neighbors", {"k": 5})
    ```
    """
    check_arguments(probe, arguments)
    parts = extract_parts(encoder, images, feature)
    return score_features(feature, *parts, images.note, probe, arguments)


def extract_parts(
    encoder: keras.Model, images: LabelledImages, features: str | Sequence[str]
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Returns what `evaluation.extract` does of both parts."""
    return tuple(
        evaluation.extract(encoder, part, features)
        for part in (images.train, images.test)
    )


def score_features(
    feature: str,
    train: Mapping[str, np.ndarray],
    test: Mapping[str, np.ndarray],
    note: str = "",
    probe: str = "linear_probe",
    arguments: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Returns what `score` does, of features that are there already."""
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
            `evaluation.linear_probe`.
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
        What the probe returns; with `"labels_per_class"` also
        `"accuracies"`, one for each draw.

    Raises:
        ValueError: for an unknown probe or argument, and for a class with
            too few rows.
    """
    check_arguments(probe, arguments)
    own = dict(arguments or {})
    few = {name: own.pop(name, value) for name, value in COMMON.items()}
    if few["test_classes"] == "trained":
        known = np.isin(test_labels, train_labels)
        result = run_probe(
            train_features,
            train_labels,
            test_features[known],
            test_labels[known],
            probe,
            {**(arguments or {}), "test_classes": "all"},
        )
        protocol = "; test images of the classes that have training images"
        return {**result, "protocol": result["protocol"] + protocol}
    num_labels = few["labels_per_class"]
    if num_labels is None:
        return PROBES[probe](
            train_features, train_labels, test_features, test_labels, **own
        )
    results = []
    generator = np.random.default_rng(few["draw_seed"])
    for _ in range(few["num_draws"]):
        rows = _draw_rows(train_labels, num_labels, generator)
        results.append(
            PROBES[probe](
                train_features[rows],
                train_labels[rows],
                test_features,
                test_labels,
                **own,
            )
        )
    accuracies = [result["accuracy"] for result in results]
    return {
        **results[-1],
        "accuracy": float(np.mean(accuracies)),
        "accuracies": accuracies,
        "protocol": (
            f"{results[-1]['protocol']}; {num_labels} labels to a class, mean "
            f"of {few['num_draws']} draws with seed {few['draw_seed']}"
        ),
    }


def check_arguments(probe: str, arguments: Mapping[str, Any] | None) -> None:
    """Refuses an unknown probe, and what it cannot be told."""
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


def _compare(trained, untrained, pixels, images, test_classes, report):
    names = _features_to_score(trained)
    parts = {}
    for who, encoder, features in (
        ("raw_pixels", pixels, ("raw_pixels",)),
        ("untrained", untrained, names),
        ("trained", trained, names),
    ):
        parts[who] = extract_parts(encoder, images, features)
    labels = parts["trained"][0]["label"]
    scores = []
    for probe, arguments in _default_probes(labels):
        if test_classes != "all":
            arguments["test_classes"] = test_classes

        def accuracy(who, feature, probe=probe, arguments=arguments):
            return score_features(
                feature, *parts[who], images.note, probe, arguments
            )

        of_pixels = accuracy("raw_pixels", "raw_pixels")["accuracy"]
        for feature in names:
            scores.append(
                {
                    **accuracy("trained", feature),
                    "untrained": accuracy("untrained", feature)["accuracy"],
                    "raw_pixels": of_pixels,
                }
            )
            if report:
                report(scores[-1])
    return scores


def _features_to_score(encoder):
    found = [name for name in ("fc", "global") if name in encoder.output]
    return tuple(found or encoder.output)


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


def _image_shape(recipe):
    return data.open_source(
        recipe.source,
        recipe.split,
        image_size=recipe.image_size,
        channels=recipe.channels,
    ).image_shape


def _are_the_same(train, test):
    """Whether two splits begin with the very same images."""
    first, second = (
        np.asarray(next(iter(part))["image"]) for part in (train, test)
    )
    return first.shape == second.shape and np.array_equal(first, second)


class _Again:
    """What a generator yields, as often as one iterates over it."""

    def __init__(self, generate: Callable[..., Iterator[Any]], *arguments):
        self._generate = generate
        self._arguments = arguments

    def __iter__(self):
        return self._generate(*self._arguments)


def _draw(images, total, number, batch_size):
    drawn = np.zeros(total, bool)
    drawn[np.random.default_rng(0).permutation(total)[:number]] = True
    rest = {}
    for batch in images:
        # A source that has lost some images still counts their indices.
        chosen = drawn[np.asarray(batch["index"])]
        for key, values in batch.items():
            values = np.asarray(values)[chosen]
            rest[key] = np.concatenate([rest.get(key, values[:0]), values])
        while len(rest["index"]) >= batch_size:
            yield {key: values[:batch_size] for key, values in rest.items()}
            rest = {key: values[batch_size:] for key, values in rest.items()}
    if rest and len(rest["index"]):
        yield rest


def _cut_centres(images, height, width):
    for batch in images:
        pixels = batch["image"]
        top, left = (
            (length - size) // 2
            for length, size in zip(
                pixels.shape[1:3], (height, width), strict=True
            )
        )
        pixels = pixels[:, top : top + height, left : left + width]
        yield {**batch, "image": pixels}
