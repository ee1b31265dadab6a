"""The folder of a run: the names of its files, and how far the run has come."""

import pathlib
from collections.abc import Iterator
from typing import Any

import keras
from absl import logging

from keras_dim import distribution
from keras_dim import files
from keras_dim.training import checkpoints
from keras_dim.training import lost_workers
from keras_dim.training.recipe import Recipe

RECIPE = "recipe.json"
LOG = "log.csv"
ENCODER = "encoder.keras"
UNTRAINED = "untrained_encoder.keras"
METRICS = "metrics.json"
VIEWS = "views.png"
CHECKPOINTS = "checkpoints"
TENSORBOARD = "tensorboard"


def check(directory: pathlib.Path, recipe: Recipe, resume: bool) -> None:
    """Raises a `ValueError` if the run cannot begin or go on in a folder."""
    path = directory / RECIPE
    if not path.exists():
        # A run that was killed while it wrote its recipe left hidden files.
        if directory.exists() and any(
            not path.name.startswith(".recipe-") for path in directory.iterdir()
        ):
            raise ValueError(
                f"{directory} is not empty and holds no run: choose a new "
                "folder"
            )
        return
    if not resume:
        raise ValueError(
            f"{directory} already holds a run: resume it (resume=True, "
            "--resume), or choose a new folder"
        )
    saved, wanted = (
        dict(_flat(each.to_dict())) for each in (Recipe.load(path), recipe)
    )
    # The learning rate of other schedules depends on the number of epochs.
    is_constant = recipe.schedule["name"] == "constant"
    may_change = {"epochs"} if is_constant else set()
    changed = [
        name
        for name in sorted(wanted.keys() | saved.keys())
        if wanted.get(name) != saved.get(name) and name not in may_change
    ]
    if changed:
        raise ValueError(
            f"{directory} holds a run of another recipe: resume with the "
            f"one in {path}. They differ in {', '.join(changed)}"
        )


def _flat(fields: dict[str, Any], prefix: str = "") -> Iterator[Any]:
    """Yields the fields of a recipe and of its parts, by dotted names."""
    for name, value in fields.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def load_latest(
    directory: pathlib.Path,
) -> tuple[keras.Model | None, tuple[int, int]]:
    """Loads the latest checkpoint that is not damaged.

    Returns:
        tuple. The model, or None if there are no checkpoints; and the number
        of epochs done, with the number of steps of the next epoch.

    Raises:
        ValueError: if there are checkpoints and all of them are damaged.
    """
    found = checkpoints.list_checkpoints(directory / CHECKPOINTS)
    for done, path in reversed(found):
        try:
            return checkpoints.load_checkpoint(path), done
        except (OSError, ValueError) as error:
            # Workers create variables together, so loading also fails when
            # one of them dies: the file need not be damaged.
            if distribution.is_multi_worker() and (
                lost_workers.is_worker_lost(error.__cause__)
            ):
                raise error.__cause__ from None
            logging.warning("Left out a damaged checkpoint: %s", error)
    if found:
        raise ValueError(
            f"None of the {len(found)} checkpoints in "
            f"{directory / CHECKPOINTS} can be read: delete them to start "
            "again, or choose a new folder"
        )
    return None, (0, 0)


def check_workers_agree(
    strategy: Any, directory: pathlib.Path, done: tuple[int, int]
) -> None:
    """Blocks until every worker has found the same checkpoint.

    Raises:
        ValueError: if workers have found different ones.
    """
    epochs, steps = done
    least, most = distribution.min_max_over_workers(
        strategy, epochs * 10**9 + steps
    )
    if least != most:
        raise ValueError(
            f"The workers find different checkpoints in {directory}: it must "
            "be a folder that all of them share. Received: epochs "
            f"{least // 10**9} to {most // 10**9}"
        )


def prepare(
    directory: pathlib.Path, recipe: Recipe, done: tuple[int, int]
) -> None:
    """Tidies up after killed runs, and writes the recipe."""
    for path in checkpoints.rename_later(directory / CHECKPOINTS, done):
        logging.warning(
            "A damaged checkpoint is now called %s, and may be deleted", path
        )
    for name in (RECIPE, LOG, ENCODER, UNTRAINED, METRICS, VIEWS):
        files.remove_leftovers(directory / name)
    recipe.save(directory / RECIPE)
