"""From a recipe and unlabelled images to a trained encoder, in one folder."""

import contextlib
import pathlib
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from absl import logging

from keras_dim import data
from keras_dim import distribution
from keras_dim import evaluation
from keras_dim import files
from keras_dim import views
from keras_dim.data import numpy_images
from keras_dim.data.reading import batches_in_order
from keras_dim.data.reading import held_in_memory
from keras_dim.data.tensorflow_tools import has_tensorflow
from keras_dim.training import alarms
from keras_dim.training import checkpoints
from keras_dim.training import encoders
from keras_dim.training import epoch_log
from keras_dim.training import termination
from keras_dim.training.recipe import Recipe

RECIPE = "recipe.json"
LOG = "log.csv"
ENCODER = "encoder.keras"
UNTRAINED = "untrained_encoder.keras"
METRICS = "metrics.json"
VIEWS = "views.png"
CHECKPOINTS = "checkpoints"
TENSORBOARD = "tensorboard"
# Images whose features are looked at after each epoch, lest they collapse.
NUM_WATCHED = 256


def pretrain(
    recipe: Recipe,
    directory: str | pathlib.Path,
    resume: bool = False,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    verbose: int | str = "auto",
    checkpoint_minutes: float | None = None,
    strategy: Any = "auto",
) -> keras.Model:
    """Trains an encoder by a recipe and leaves everything in one folder.

    The folder holds `recipe.json`, `log.csv` (a row an epoch), `tensorboard`
    (where TensorFlow can be imported, which writes it on any backend),
    `checkpoints`, `encoder.keras` (float32, loads without keras_dim),
    `untrained_encoder.keras` (what it began as, to compare with),
    `views.png` (the first images and what the method makes of them) and
    `metrics.json` (the last epoch's terms, seconds, images a second).

    A run that was stopped goes on from its last checkpoint with
    `resume=True`, and ends with the weights of an unbroken one. There is one
    after each epoch, every `checkpoint_minutes` where asked for, and one when
    SIGTERM comes, by which schedulers stop a run: at the next step, and
    behind it `Terminated` is raised. (Not where this is called from another
    thread than the main one, which signals do not reach.) The row of an epoch
    that went on within has the means of the whole epoch, and the seconds of
    its last part.

    A loss or a weight that is not finite stops the run; checkpoints are from
    before. The log also tells how much the feature `"global"` of some images
    varies, and a warning that it has collapsed: see
    `evaluation.CollapseReport`.

    Args:
        recipe: `Recipe`. What to do.
        directory: str or path. A new or empty folder, or one to resume.
        resume: bool. Whether to go on with what is there. The recipe must be
            the one that the folder was begun with, but for `epochs` where no
            schedule depends on it. Defaults to `False`.
        callbacks: callbacks for `fit`, before those that write logs.
        verbose: as of `fit`. Defaults to `"auto"`.
        checkpoint_minutes: float or `None`. Within an epoch, too, a
            checkpoint is written so long after the last one. Defaults to
            `None`, after whole epochs alone.
        strategy: str, or `tf.distribute.Strategy`. On what devices and
            machines, see `distribution.strategy`. Several workers are each
            called with the same arguments, among them a `directory` that all
            of them read; the chief alone writes. Defaults to `"auto"`.

    Returns:
        The encoder, in float32.

    Raises:
        ValueError: if the folder holds a run and `resume` is not set, holds
            one of another recipe, or none of its checkpoints can be read;
            for a recipe that makes no sense, and for a batch size that the
            replicas cannot share evenly. Nothing has been written then.
        WorkerLostError: if one of several workers has gone.
        NonFiniteError: if a loss or a weight came to be NaN or infinite.
        Terminated: if SIGTERM came. It is a `SystemExit`, of code 143.
    """
    directory = pathlib.Path(directory)
    if checkpoint_minutes is not None and not checkpoint_minutes >= 0:
        raise ValueError(
            "`checkpoint_minutes` must not be negative. Received: "
            f"{checkpoint_minutes}"
        )
    if isinstance(strategy, str):
        strategy = distribution.strategy(strategy)
    writes = distribution.is_chief(strategy)
    _check(directory, recipe, resume)
    _check_parts(recipe, strategy)
    with distribution.telling_of_lost_workers(strategy), _settings(recipe):
        source = held_in_memory(
            data.open_source(
                recipe.source,
                recipe.split,
                image_size=recipe.image_size,
                channels=recipe.channels,
            )
        )
        steps = source.num_images // recipe.batch_size
        with strategy.scope() if strategy else contextlib.nullcontext():
            model, done, step = _latest(directory / CHECKPOINTS)
            is_new = model is None
            if is_new:
                model = recipe.build_model(source.image_shape)
                model.compile(
                    optimizer=recipe.build_optimizer(max(steps, 1)),
                    steps_per_execution=min(
                        recipe.steps_per_execution, max(steps, 1)
                    ),
                )
        parts = _parts(recipe, source, done, step)
        # Only now, so that a mistake leaves no folder behind, and once every
        # worker has found the folder as it was.
        _check_agreement(strategy, directory, done, step)
        if writes:
            _put_damaged_aside(directory / CHECKPOINTS, done, step)
            _remove_leftovers(directory)
            recipe.save(directory / RECIPE)
        if writes and is_new:
            _save(model.encoder, directory / UNTRAINED)
            _save_views(model, source, directory / VIEWS)
        log = epoch_log.EpochLog(
            directory / LOG,
            steps * recipe.batch_size,
            done,
            step * recipe.batch_size,
        )
        with (
            termination.noticed() as sigterm,
            _telling_of_damage(source),
        ):
            _fit(
                model,
                parts,
                recipe.epochs,
                verbose,
                [
                    alarms.NonFiniteAlarm(
                        lambda epoch, step: _batch_at(
                            recipe, source, epoch, step
                        ),
                        lambda: _latest(directory / CHECKPOINTS)[0],
                        first_step=step,
                    ),
                    *callbacks,
                    *_collapse_report(model.encoder, source),
                    *([log] if writes else []),
                    *(_tensorboard(directory / TENSORBOARD) if writes else []),
                    checkpoints.Checkpoint(
                        directory / CHECKPOINTS,
                        steps,
                        minutes=checkpoint_minutes,
                        first_step=step,
                        sigterm=sigterm,
                        strategy=strategy,
                    ),
                ],
            )
        if not writes:
            return encoders.in_float32(model.encoder)
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


def _telling_of_damage(
    source: data.Source,
) -> contextlib.AbstractContextManager:
    if not source.uses_tensorflow:
        return contextlib.nullcontext()
    from keras_dim.data.tensorflow_tools import damage_in_one_line

    return damage_in_one_line(source.name)


def _parts(
    recipe: Recipe, source: data.Source, done: int, step: int
) -> list[tuple[int, int, Any]]:
    """Returns what is left to do: first epoch, last epoch, their batches.

    The rest of an epoch is a part of its own: in one call of `fit`, Keras
    takes all epochs to be equally long.
    """
    epochs = [(done, recipe.epochs, 0)]
    if step and done < recipe.epochs:
        epochs = [(done, done + 1, step), (done + 1, recipe.epochs, 0)]
    return [
        (
            first,
            last,
            _batches(recipe, source, first, batch),
        )
        for first, last, batch in epochs
    ]


def _batches(
    recipe: Recipe, source: data.Source, epoch: int, batch: int
) -> Any:
    """The batches from one of an epoch on, in the order of the run."""
    return data.load(
        source,
        recipe.split,
        recipe.batch_size,
        shuffle=True,
        seed=recipe.seed,
        first_epoch=epoch,
        first_batch=batch,
    )


def _batch_at(
    recipe: Recipe, source: data.Source, epoch: int, step: int
) -> Any:
    return next(iter(_batches(recipe, source, epoch, step)))


def _collapse_report(
    encoder: keras.Model, source: data.Source
) -> list[keras.callbacks.Callback]:
    """Looks at images from all over the source, as the encoder takes them."""
    if source.random_access:
        rows = np.linspace(0, source.num_images - 1, NUM_WATCHED)
        images = source.read(np.unique(rows.astype(np.int64)))["image"]
    else:
        images = next(batches_in_order(source, NUM_WATCHED))["image"]
    shape = encoder.input_shape[1:]
    channels = {images.shape[-1], shape[-1]}
    if len(images) < 2 or not (len(channels) == 1 or channels == {1, 3}):
        return []
    images = [numpy_images.convert(one, shape, resize=True) for one in images]
    return [evaluation.CollapseReport(np.stack(images))]


def _fit(
    model: keras.Model,
    parts: list[tuple[int, int, Any]],
    epochs: int,
    verbose: int | str,
    callbacks: list[keras.callbacks.Callback],
) -> None:
    for number, (first, last, images) in enumerate(parts):
        is_rest = number < len(parts) - 1
        model.fit(
            images,
            epochs=last,
            initial_epoch=first,
            # Made here, so that they know how many epochs the whole run has.
            callbacks=keras.callbacks.CallbackList(
                [checkpoints.RunningMeans(), *callbacks]
                if is_rest
                else callbacks,
                add_history=True,
                add_progbar=verbose != 0,
                model=model,
                verbose=verbose,
                epochs=epochs,
                steps=_num_batches(images),
            ),
            shuffle=False,
            verbose=verbose,
        )
        if model.stop_training:
            return


def _num_batches(images: Any) -> int | None:
    try:
        return len(images)
    except TypeError:
        # Images may turn out to be damaged.
        return None


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
        # A run that was killed at its very beginning left hidden files.
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


def _check_parts(recipe: Recipe, strategy: Any) -> None:
    """Refuses batches of which a replica has more images than another.

    Each replica takes the mean over its own, and all means weigh the same.
    """
    replicas = strategy.num_replicas_in_sync if strategy else 1
    if recipe.batch_size % replicas:
        raise ValueError(
            f"`batch_size` must be a multiple of the {replicas} replicas that "
            "share it, lest some images weigh more than others: change it, or "
            f"the number of devices. Received: {recipe.batch_size}"
        )


def _latest(
    directory: pathlib.Path,
) -> tuple[keras.Model | None, int, int]:
    """Returns the latest whole checkpoint, its epochs, and steps beyond."""
    found = checkpoints.list_checkpoints(directory)
    for done, path in reversed(found):
        try:
            return checkpoints.load_checkpoint(path), *done
        except (OSError, ValueError) as error:
            # Workers make the variables together: the file may be whole.
            if distribution.is_multi_worker() and (
                distribution.tells_of_lost_worker(error.__cause__)
            ):
                raise error.__cause__ from None
            logging.warning("Left out a damaged checkpoint: %s", error)
    if found:
        raise ValueError(
            f"None of the {len(found)} checkpoints in {directory} can be "
            "read: delete them to begin anew, or choose a new folder"
        )
    return None, 0, 0


def _put_damaged_aside(directory: pathlib.Path, done: int, step: int) -> None:
    """Lest what was refused is kept, and what was loaded deleted for it."""
    for path in checkpoints.put_aside_later(directory, (done, step)):
        logging.warning(
            "A damaged checkpoint is now called %s, and may be deleted", path
        )


def _check_agreement(
    strategy: Any, directory: pathlib.Path, done: int, step: int
) -> None:
    """Waits for all workers, who must be about to do the same."""
    least, most = distribution.agree(strategy, done * 10**9 + step)
    if least != most:
        raise ValueError(
            f"The workers do not find the same checkpoints in {directory}: it "
            "must be a folder that all of them share. Received: epochs "
            f"{least // 10**9} to {most // 10**9}"
        )


def _remove_leftovers(directory: pathlib.Path) -> None:
    for name in (RECIPE, LOG, ENCODER, UNTRAINED, METRICS, VIEWS):
        files.remove_leftovers(directory / name)


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
