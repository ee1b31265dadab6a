"""From a recipe and unlabelled images to a trained encoder, in one folder."""

import contextlib
import pathlib
from collections.abc import Iterator
from collections.abc import Sequence

import keras
from absl import logging

from keras_dim import data
from keras_dim import files
from keras_dim import views
from keras_dim.data.in_order import batches_in_order
from keras_dim.data.tensorflow_needed import has_tensorflow
from keras_dim.training import checkpoints
from keras_dim.training import encoders
from keras_dim.training import epoch_log
from keras_dim.training.recipe import Recipe

RECIPE = "recipe.json"
LOG = "log.csv"
ENCODER = "encoder.keras"
UNTRAINED = "untrained_encoder.keras"
METRICS = "metrics.json"
VIEWS = "views.png"
CHECKPOINTS = "checkpoints"
TENSORBOARD = "tensorboard"


def pretrain(
    recipe: Recipe,
    directory: str | pathlib.Path,
    resume: bool = False,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    verbose: int | str = "auto",
) -> keras.Model:
    """Trains an encoder by a recipe and leaves everything in one folder.

    The folder holds `recipe.json`, `log.csv` (a row an epoch), `tensorboard`
    (where TensorFlow can be imported, which writes it on any backend),
    `checkpoints`, `encoder.keras` (float32, loads without keras_dim),
    `untrained_encoder.keras` (what it began as, to compare with),
    `views.png` (the first images and what the method makes of them) and
    `metrics.json` (the last epoch's terms, seconds, images a second).

    A run that was stopped goes on from its last whole epoch with
    `resume=True`, and ends with the weights of an unbroken one.

    Args:
        recipe: `Recipe`. What to do.
        directory: str or path. A new or empty folder, or one to resume.
        resume: bool. Whether to go on with what is there. The recipe must be
            the one that the folder was begun with, but for `epochs` where no
            schedule depends on it. Defaults to `False`.
        callbacks: callbacks for `fit`, before those that write logs.
        verbose: as of `fit`. Defaults to `"auto"`.

    Returns:
        The encoder, in float32.

    Raises:
        ValueError: if the folder holds a run and `resume` is not set, holds
            one of another recipe, or none of its checkpoints can be read;
            and for a recipe that makes no sense. Nothing has been written
            then.
    """
    directory = pathlib.Path(directory)
    _check(directory, recipe, resume)
    with _settings(recipe):
        source = data.open_source(
            recipe.source,
            recipe.split,
            image_size=recipe.image_size,
            channels=recipe.channels,
        )
        steps = source.num_images // recipe.batch_size
        model, done = _latest(directory / CHECKPOINTS)
        is_new = model is None
        if is_new:
            model = recipe.build_model(source.image_shape)
            model.compile(
                optimizer=recipe.build_optimizer(max(steps, 1)),
                steps_per_execution=min(
                    recipe.steps_per_execution, max(steps, 1)
                ),
            )
        images = data.load(
            source,
            recipe.split,
            recipe.batch_size,
            shuffle=True,
            seed=recipe.seed,
            first_epoch=done,
        )
        # Only now, so that a mistake leaves no folder behind.
        recipe.save(directory / RECIPE)
        if is_new:
            _save(model.encoder, directory / UNTRAINED)
            _save_views(model, source, directory / VIEWS)
        log = epoch_log.EpochLog(
            directory / LOG, steps * recipe.batch_size, done
        )
        model.fit(
            images,
            epochs=recipe.epochs,
            initial_epoch=done,
            callbacks=[
                *callbacks,
                log,
                *_tensorboard(directory / TENSORBOARD),
                checkpoints.Checkpoint(directory / CHECKPOINTS),
            ],
            shuffle=False,
            verbose=verbose,
        )
        encoder = _save(model.encoder, directory / ENCODER)
    files.write_json(
        directory / METRICS,
        {
            "recipe": recipe.name,
            "epochs": recipe.epochs,
            "num_images": source.num_images,
            "seconds": sum(row["seconds"] for row in log.rows),
            "last_epoch": log.rows[-1] if log.rows else {},
        },
    )
    return encoder


@contextlib.contextmanager
def _settings(recipe: Recipe) -> Iterator[None]:
    """Sets seed and precision; puts the precision back afterwards."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(recipe.dtype_policy)
    keras.utils.set_random_seed(recipe.seed)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _check(directory: pathlib.Path, recipe: Recipe, resume: bool) -> None:
    path = directory / RECIPE
    if not path.exists():
        if directory.exists() and any(directory.iterdir()):
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
    begun = Recipe.load(path).to_dict()
    wanted = recipe.to_dict()
    may_go_on = recipe.schedule == "constant"
    others = [
        name
        for name in wanted
        if wanted[name] != begun.get(name)
        and not (name == "epochs" and may_go_on)
    ]
    if others:
        raise ValueError(
            f"{directory} holds a run of another recipe: resume with the "
            f"one in {path}. They differ in {', '.join(others)}"
        )


def _latest(directory: pathlib.Path) -> tuple[keras.Model | None, int]:
    """Returns the latest whole checkpoint and the number of its epochs."""
    found = checkpoints.list_checkpoints(directory)
    for done, path in reversed(found):
        try:
            return checkpoints.load_checkpoint(path), done
        except checkpoints.DAMAGES as error:
            reason = " ".join(str(error).split())[:200]
            logging.warning("Left out the damaged %s: %s", path, reason)
    if found:
        raise ValueError(
            f"None of the {len(found)} checkpoints in {directory} can be "
            "read: delete them to begin anew, or choose a new folder"
        )
    return None, 0


def _tensorboard(
    directory: pathlib.Path,
) -> list[keras.callbacks.Callback]:
    if not has_tensorflow():
        return []
    return [keras.callbacks.TensorBoard(directory, write_graph=False)]


def _save(encoder: keras.Model, path: pathlib.Path) -> keras.Model:
    encoder = encoders.in_float32(encoder)
    with files.atomic_path(path) as temporary:
        encoder.save(temporary)
    return encoder


def _save_views(
    model: keras.Model, source: data.Source, path: pathlib.Path
) -> None:
    """Draws the views of the first images, and nothing from the model."""
    layer = getattr(model, "views", None)
    if not isinstance(layer, keras.layers.Layer):
        return
    # The batches of training count as they are read: these are others.
    batch = next(batches_in_order(source, 8))
    picture = views.show_views(layer, batch["image"])
    with files.atomic_path(path) as temporary:
        picture.save(temporary)
