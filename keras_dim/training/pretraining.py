"""Trains an encoder by a recipe, with checkpoints and logs in one folder."""

import contextlib
import pathlib
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from absl import logging

from keras_dim import checks
from keras_dim import data
from keras_dim import distribution
from keras_dim import evaluation
from keras_dim import files
from keras_dim import views
from keras_dim.data import numpy_images
from keras_dim.data.opening import has_tensorflow
from keras_dim.data.reading import batches_in_order
from keras_dim.data.reading import held_in_memory
from keras_dim.training import alarms
from keras_dim.training import checkpoints
from keras_dim.training import encoders
from keras_dim.training import epoch_log
from keras_dim.training import lost_workers
from keras_dim.training import run_folder
from keras_dim.training import shapes
from keras_dim.training import termination
from keras_dim.training.recipe import Recipe
from keras_dim.training.run_folder import CHECKPOINTS
from keras_dim.training.run_folder import ENCODER
from keras_dim.training.run_folder import LOG
from keras_dim.training.run_folder import METRICS
from keras_dim.training.run_folder import TENSORBOARD
from keras_dim.training.run_folder import UNTRAINED
from keras_dim.training.run_folder import VIEWS

# Number of images whose features are examined for collapse after each epoch.
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

    The folder holds `recipe.json`, `log.csv` (a row for each epoch),
    `tensorboard` (if TensorFlow can be imported, whatever the backend),
    `checkpoints`, `encoder.keras` (float32, loads without keras_dim),
    `untrained_encoder.keras` (the encoder before training, to compare with),
    `views.png` (the first images and their views) and `metrics.json` (the
    terms of the last epoch, seconds, images per second).

    A run that was stopped continues from its last checkpoint with
    `resume=True`, and ends with the weights of an unbroken run. Checkpoints
    are written after each epoch, every `checkpoint_minutes` if given, and
    when the process receives SIGTERM, with which schedulers stop a run: at
    the next step, after which `Terminated` is raised. (Python delivers
    signals to the main thread only: called from another thread, SIGTERM ends
    the process as usual.) The row of a resumed epoch has the means of the
    whole epoch, and the seconds of the part after the resumption.

    A loss or a weight that is not finite stops the run; all checkpoints are
    from before. After each epoch the log also tells how much the feature
    `"global"` varies over some images, with a warning if it has collapsed:
    see `evaluation.CollapseReport`.

    Args:
        recipe: `Recipe`. Data, method, encoder and optimizer.
        directory: str or path. A new or empty folder, or that of the run to
            resume.
        resume: bool. Whether to continue the run in the folder. The recipe
            must be the one that the run was started with; only `epochs` may
            differ, if the learning rate does not depend on it. Defaults to
            `False`.
        callbacks: callbacks for `fit`. They are called before those that
            write logs.
        verbose: as of `fit`. Defaults to `"auto"`.
        checkpoint_minutes: float or `None`. Within an epoch, a checkpoint is
            also written this long after the last one. Defaults to `None`,
            only after epochs.
        strategy: str, or `tf.distribute.Strategy`. The devices and machines
            to train on, see `distribution.strategy`. Each of several workers
            is called with the same arguments, and with a `directory` that all
            of them can read; only the chief writes. Defaults to `"auto"`.

    Returns:
        The encoder, in float32.

    Raises:
        ValueError: if the folder holds a run and `resume` is not set, holds
            a run of another recipe, or none of its checkpoints can be read;
            for a recipe that makes no sense, and for a batch size that the
            replicas cannot share evenly. Nothing has been written then.
        WorkerLostError: if one of several workers has died.
        NonFiniteError: if a loss or a weight became NaN or infinite.
        Terminated: after SIGTERM. It is a `SystemExit` with code 143.
    """
    directory = pathlib.Path(directory)
    if checkpoint_minutes is not None:
        checks.at_least(0, checkpoint_minutes=checkpoint_minutes)
    if isinstance(strategy, str):
        strategy = distribution.strategy(strategy)
    is_chief = distribution.is_chief(strategy)
    run_folder.check(directory, recipe, resume)
    _check_batch_size(recipe, strategy)
    with lost_workers.raise_worker_lost(strategy), _settings(recipe):
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
            model, done = run_folder.load_latest(directory)
            is_new = model is None
            if is_new:
                model = _new_model(recipe, source, steps)
        parts = _parts(recipe, source, done)
        # Nothing is written before this point, so that a mistake leaves no
        # folder behind and every worker finds the folder unchanged.
        run_folder.check_workers_agree(strategy, directory, done)
        if is_chief:
            run_folder.prepare(directory, recipe, done)
            logging.info(
                "%s",
                shapes.of_training(
                    source.num_images, source.image_shape, model
                ),
            )
        if is_chief and is_new:
            _save(model.encoder, directory / UNTRAINED)
            _save_views(model, source, directory / VIEWS)
        epochs_done, steps_done = done
        log = epoch_log.EpochLog(
            directory / LOG,
            steps * recipe.batch_size,
            epochs_done,
            steps_done * recipe.batch_size,
        )
        with termination.noticed() as sigterm:
            _fit(
                model,
                parts,
                recipe.epochs,
                verbose,
                [
                    alarms.NonFiniteAlarm(
                        lambda epoch, step: next(
                            iter(_batches(recipe, source, epoch, step))
                        ),
                        lambda: run_folder.load_latest(directory)[0],
                        first_step=steps_done,
                    ),
                    *callbacks,
                    *_collapse_report(model.encoder, source),
                    evaluation.CeilingReport(model.ceilings(recipe.batch_size)),
                    *([log] if is_chief else []),
                    *(_tensorboard(directory) if is_chief else []),
                    checkpoints.Checkpoint(
                        directory / CHECKPOINTS,
                        steps,
                        minutes=checkpoint_minutes,
                        first_step=steps_done,
                        sigterm=sigterm,
                        strategy=strategy,
                    ),
                ],
            )
        if not is_chief:
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


def _check_batch_size(recipe: Recipe, strategy: Any) -> None:
    """Refuses batches that the replicas cannot share evenly.

    Each replica averages over its own images, and all of these averages have
    the same weight.
    """
    replicas = strategy.num_replicas_in_sync if strategy else 1
    if recipe.batch_size % replicas:
        raise ValueError(
            f"`batch_size` must be a multiple of the {replicas} replicas that "
            "share it: change it, or the number of devices. Received: "
            f"{recipe.batch_size}"
        )


@contextlib.contextmanager
def _settings(recipe: Recipe) -> Iterator[None]:
    """Sets seed and precision; restores the precision afterwards."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(recipe.dtype_policy)
    keras.utils.set_random_seed(recipe.seed)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _new_model(recipe: Recipe, source: data.Source, steps: int) -> keras.Model:
    # There are no steps if a batch has more images than the source, which
    # `data.load` refuses.
    steps = max(steps, 1)
    model = recipe.build_model(source.image_shape, steps)
    model.compile(
        optimizer=recipe.build_optimizer(steps),
        steps_per_execution=min(recipe.steps_per_execution, steps),
    )
    return model


def _parts(
    recipe: Recipe, source: data.Source, done: tuple[int, int]
) -> list[tuple[int, int, Any]]:
    """Returns the calls of `fit`: first epoch, last epoch, their batches.

    The rest of an epoch needs a call of its own, since Keras assumes that all
    epochs of one call have the same number of steps.
    """
    epoch, step = done
    calls = [(epoch, recipe.epochs, 0)]
    if step and epoch < recipe.epochs:
        calls = [(epoch, epoch + 1, step), (epoch + 1, recipe.epochs, 0)]
    return [
        (first, last, _batches(recipe, source, first, batch))
        for first, last, batch in calls
    ]


def _batches(
    recipe: Recipe, source: data.Source, epoch: int, batch: int
) -> Any:
    """Returns all batches from one batch of one epoch on."""
    return data.load(
        source,
        recipe.split,
        recipe.batch_size,
        shuffle=True,
        seed=recipe.seed,
        first_epoch=epoch,
        first_batch=batch,
    )


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
            # Given as a list of Keras's, which tells them the epochs of the
            # whole run and not of this call.
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
        # Not known if some images may turn out to be damaged.
        return None


def _collapse_report(
    encoder: keras.Model, source: data.Source
) -> list[keras.callbacks.Callback]:
    """Returns a report on images from all over the source, if possible."""
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


def _tensorboard(directory: pathlib.Path) -> list[keras.callbacks.Callback]:
    if not has_tensorflow():
        return []
    return [
        keras.callbacks.TensorBoard(directory / TENSORBOARD, write_graph=False)
    ]


def _save(encoder: keras.Model, path: pathlib.Path) -> keras.Model:
    """Saves an encoder in float32, and returns it so."""
    encoder = encoders.in_float32(encoder)
    with files.atomic_path(path) as temporary:
        encoder.save(temporary)
    return encoder


def _save_views(
    model: keras.Model, source: data.Source, path: pathlib.Path
) -> None:
    """Draws the views of the first images. The model stays as it is."""
    layer = getattr(model, "views", None)
    if not isinstance(layer, keras.layers.Layer):
        return
    # Not from the batches of training, which count how far they were read.
    batch = next(batches_in_order(source, 8))
    picture = views.show_views(layer, batch["image"])
    with files.atomic_path(path) as temporary:
        picture.save(temporary)
