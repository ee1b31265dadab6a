"""Whether a run may begin or go on in a folder."""

import json
import pathlib
from collections.abc import Mapping
from typing import Any

from keras_dim import distribution
from keras_dim import files
from keras_dim.data.source import printable
from keras_dim.training import checkpoints
from keras_dim.training import run_folder
from keras_dim.training.recipe import Recipe


def check(
    directory: pathlib.Path, recipe: Recipe, resume: bool
) -> Recipe | None:
    """Returns the recipe of the run to go on with, or None for a new one.

    A folder that the run cannot begin or go on in is a `ValueError`.
    """
    path = directory / run_folder.RECIPE
    if not path.exists():
        found = directory.iterdir() if directory.exists() else ()
        # A run that was killed while it wrote its recipe left hidden files.
        if not all(path.name.startswith(".recipe-") for path in found):
            raise ValueError(
                f"{directory} is not empty and holds no run: choose a new "
                "folder"
            )
        return None
    if not resume:
        raise ValueError(
            f"{directory} already holds a run: resume it (resume=True, "
            "--resume), or choose a new folder"
        )
    # In JSON, a tuple of a part is a list.
    wanted = json.loads(json.dumps(recipe.to_dict()))
    earlier = Recipe.load(path)
    saved = earlier.to_dict() | {"epochs": wanted["epochs"]}
    measured = saved["values"]
    if isinstance(measured, dict) and not isinstance(wanted["values"], dict):
        # It was measured, or declared, when the run began.
        saved["values"] = measured["declared"] or "stored"
    changes = differences(saved, wanted)
    if changes:
        raise ValueError(
            f"{directory} holds a run of another recipe: resume with the "
            f"one in {path}. {changes}"
        )
    return earlier


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Returns e.g. `epochs was 3 and is 5`, or an empty string."""
    return "; ".join(
        f"{printable(name)} was {before.get(name)!r} and is {now.get(name)!r}"
        for name in sorted({*before, *now})
        if before.get(name) != now.get(name)
    )


def check_workers_agree(strategy, directory, done) -> None:
    """Blocks until all workers are here, and refuses different checkpoints."""
    epochs, steps = done
    number = epochs * 10**9 + steps
    least, most = distribution.min_max_over_workers(strategy, number)
    if least != most:
        raise ValueError(
            f"The workers find different checkpoints in {directory}, which "
            f"they must share: of epochs {least // 10**9} to {most // 10**9}"
        )


def prepare(directory: pathlib.Path, recipe: Recipe, done) -> None:
    """Tidies up after killed runs, and writes the recipe."""
    checkpoints.set_damaged_aside(directory / run_folder.CHECKPOINTS, done)
    for name in run_folder.WRITTEN_ANEW:
        files.remove_leftovers(directory / name)
    recipe.save(directory / run_folder.RECIPE)
