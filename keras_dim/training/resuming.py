"""Checks whether a run may begin or continue in a folder."""

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
    """Returns the recipe of the run to continue, or None for a new run.

    Raises:
        ValueError: if no run of the recipe can begin or continue in the folder.
    """
    path = directory / run_folder.RECIPE
    if not path.exists():
        found = directory.iterdir() if directory.exists() else ()
        # A run that was killed while it wrote its recipe leaves hidden files.
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
        # The values were measured, or declared, when the run began.
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
    """Waits for all workers, and refuses different numbers of steps `done`."""
    epochs, steps = done
    number = epochs * 10**9 + steps
    least, most = distribution.min_max_over_workers(strategy, number)
    if least != most:
        raise ValueError(
            f"The workers find different checkpoints in {directory}, of epochs "
            f"{least // 10**9} to {most // 10**9}: it must be one folder that "
            "all of them read"
        )


def prepare(directory: pathlib.Path, recipe: Recipe, done) -> None:
    """Removes what killed runs have left, and writes the recipe."""
    checkpoints.set_damaged_aside(directory / run_folder.CHECKPOINTS, done)
    for name in run_folder.WRITTEN_ANEW:
        files.remove_leftovers(directory / name)
    recipe.save(directory / run_folder.RECIPE)
