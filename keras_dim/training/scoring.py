"""Scores of a run: of its recipe's images, written to its folder."""

import json
import os
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np

from keras_dim import evaluation
from keras_dim import files
from keras_dim import model_files
from keras_dim.training import run_folder
from keras_dim.training.recipe import Recipe

# Most bytes of pixels in float32 that the scores of a run are fitted to.
MAX_PIXEL_BYTES = 2**30


def labelled_images_of(recipe: Recipe) -> evaluation.LabelledImages:
    """Opens the images to score on, as `evaluation.labelled_images` does."""
    image_shape = recipe.encoder_shape(recipe.open_source().image_shape)
    return evaluation.labelled_images(
        recipe.source,
        recipe.probe_split or recipe.split,
        recipe.test_split,
        image_shape=image_shape,
        image_size=recipe.probe_image_size,
        # The split does not depend on the feature, so that scores compare.
        max_train_images=MAX_PIXEL_BYTES // (4 * int(np.prod(image_shape))),
    )


def score_run(
    directory: str | os.PathLike,
    images: evaluation.LabelledImages | None = None,
    report: Callable[[dict[str, Any]], None] | None = None,
) -> list[dict[str, Any]]:
    """Scores the encoder of a run, and writes that to its `metrics.json`.

    Args:
        directory: str or path. The folder of a finished run.
        images: `LabelledImages`. Defaults to those of the run's recipe, which
            raise what `evaluation.labelled_images` does.
        report: function that is called with each score as it comes.

    Returns:
        list of dicts, see `evaluation.compare`.
    """
    directory = pathlib.Path(directory)
    recipe = Recipe.load(directory / run_folder.RECIPE)
    scores = evaluation.compare(
        model_files.load_model(directory / run_folder.ENCODER),
        model_files.load_model(directory / run_folder.UNTRAINED),
        labelled_images_of(recipe) if images is None else images,
        recipe.test_classes,
        report,
    )
    path = directory / run_folder.METRICS
    metrics = json.loads(path.read_text(encoding="utf-8"))
    files.write_json(path, {**metrics, "scores": scores})
    return scores
