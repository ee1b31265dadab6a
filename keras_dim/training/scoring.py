"""Scores a run, and repeats the scores of a preset's card."""

import json
import math
import os
import pathlib
from collections.abc import Callable
from typing import Any

from keras_dim import catalog
from keras_dim import checks
from keras_dim import encoders
from keras_dim import evaluation
from keras_dim import files
from keras_dim import model_files
from keras_dim import presets
from keras_dim.evaluation import scoring
from keras_dim.presets import registry
from keras_dim.training import run_folder
from keras_dim.training import tensorboard
from keras_dim.training.recipe import Recipe

# Most bytes of float32 pixels of the images that probes are fitted to.
MAX_PIXEL_BYTES = 2**30
# Most percentage points between a card and a measurement: on another processor
# rounding, and so the fit of a probe, differs a little.
TOLERANCE = 0.5
_DATA = ("source", "split", "test_split")


def labelled_images_of(recipe: Recipe) -> evaluation.LabelledImages:
    """Opens a recipe's images to score on by `evaluation.labelled_images`."""
    image_shape = recipe.encoder_shape(recipe.open_source().image_shape)
    split, test_split = recipe.probe_split, recipe.test_split
    if isinstance(split, float):
        # Another source may not have the split of training.
        whole = "train" if recipe.probe_source else recipe.split
        split, test_split = whole, split
    return evaluation.labelled_images(
        recipe.probe_source or recipe.source,
        split or recipe.split,
        test_split,
        image_shape=image_shape,
        image_size=recipe.probe_image_size,
        values=recipe.how_read,
        # Of pixels, not of the feature, so that scores of features compare.
        max_train_images=MAX_PIXEL_BYTES // (4 * math.prod(image_shape)),
    )


def score_run(
    directory: str | os.PathLike,
    images: evaluation.LabelledImages | None = None,
    report: Callable[[dict[str, Any]], None] | None = None,
) -> list[dict[str, Any]]:
    """Scores the encoder of a run, for its `metrics.json` and TensorBoard.

    Args:
        directory: str or path. The folder of a finished run.
        images: `LabelledImages`. Defaults to those of the run's recipe, see
            `labelled_images_of`.
        report: function that is called with each score when it is computed.

    Returns:
        list of dicts, see `evaluation.compare_with_untrained`.

    Raises:
        FileNotFoundError: if the run has not finished.
        ValueError: as `evaluation.labelled_images` does.
    """
    directory = pathlib.Path(directory)
    recipe = Recipe.load(directory / run_folder.RECIPE)
    names = [run_folder.ENCODER, run_folder.UNTRAINED]
    if recipe.start_from:
        names.append(run_folder.START)
    trained, untrained, *start = (
        model_files.load_model(directory / name) for name in names
    )
    scores = evaluation.compare_with_untrained(
        trained,
        untrained,
        labelled_images_of(recipe) if images is None else images,
        recipe.test_classes,
        report,
        *start,
    )
    path = directory / run_folder.METRICS
    metrics = json.loads(path.read_text(encoding="utf-8"))
    files.write_json(path, {**metrics, "scores": scores})
    tensorboard.write_scores(directory, scores, recipe.epochs)
    return scores


def verify(
    name: str | os.PathLike,
    directory: str | os.PathLike | None = None,
    tolerance: float | None = None,
    report: Callable[[dict[str, Any]], None] | None = None,
) -> list[dict[str, Any]]:
    """Computes every score of a preset's card again, and compares.

    The entry `"data"` of the preset's metadata names the images: `"source"`,
    `"split"`, `"test_split"` and, if images are larger than the encoder's
    input, `"image_size"`. A score may have its own `"data"`.

    Args:
        name, directory: see `presets.pretrained`.
        tolerance: float. Most percentage points between card and measurement.
            Defaults to the metadata's `"tolerance"`, or 0.5.
        report: function that is called with each result when it is computed.

    Returns:
        list of dicts: `"feature"`, `"probe"`, `"arguments"`, `"card"` and
        `"measured"` (in `[0, 1]`), and `"agrees"`. If the images cannot be
        opened, `"measured"` is None and `"reason"` says why.

    Raises:
        ValueError: for an unknown or damaged preset, and metadata that do not
            say how to repeat the scores.
        ValueError, FileNotFoundError: if none of the images can be opened.
    """
    checks.at_least(0, **checks.given(tolerance=tolerance))
    encoder = presets.pretrained(name, directory)
    folder, _ = registry.folder_of(name, directory)
    metadata = catalog.read_json(folder / catalog.METADATA)
    if tolerance is None:
        tolerance = float(metadata.get("tolerance", TOLERANCE))
    scores = [
        {"data": metadata.get("data"), **score}
        for score in metadata.get("scores") or []
    ]
    if not scores:
        raise ValueError(f"The metadata of {name} hold no score to repeat.")
    for score in scores:
        data = score["data"] if isinstance(score["data"], dict) else {}
        if missing := {*_DATA, "arguments"} - {*data, *score}:
            raise ValueError(
                f"A score of {name} must have 'arguments', and 'data' with "
                f"{list(_DATA)}. Missing: {sorted(missing)}"
            )
        scoring.check_arguments(score["probe"], score["arguments"])
    # All data sets are opened first: the scores may take hours.
    opened = {}
    for score in scores:
        score["key"] = key = json.dumps(score["data"], sort_keys=True)
        if key not in opened:
            opened[key] = _opened(score["data"], encoder)
    if all(isinstance(images, Exception) for images in opened.values()):
        raise next(iter(opened.values()))
    results = []
    extracted = of_extracted = None
    for score in scores:
        entries = "feature", "probe", "arguments"
        result = {entry: score[entry] for entry in entries}
        images, wanted = opened[score["key"]], (score["key"], score["feature"])
        if isinstance(images, Exception):
            found = {"measured": None, "agrees": False, "reason": str(images)}
        else:
            if of_extracted != wanted:
                # Features of maps are large: the old ones are freed first.
                extracted = None
                extracted = scoring.Extracted(encoder, images, wanted[1])
                of_extracted = wanted
            measured = extracted.score(**result)["accuracy"]
            difference = 100 * abs(measured - score["accuracy"])
            # Rounding must not exclude a difference equal to the tolerance.
            agrees = difference <= tolerance + 1e-9
            found = {"measured": measured, "agrees": agrees}
        results.append({**result, "card": score["accuracy"], **found})
        if report:
            report(results[-1])
    return results


def _opened(about, encoder):
    """Returns labelled images, or the error if they cannot be opened."""
    try:
        return evaluation.labelled_images(
            *(about[entry] for entry in _DATA),
            image_shape=encoder.input_shape[1:],
            image_size=about.get("image_size"),
            values=encoders.how_read(encoder),
        )
    except (ValueError, FileNotFoundError) as error:
        return error
