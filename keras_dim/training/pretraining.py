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
from keras_dim.data import opening
from keras_dim.data import reading
from keras_dim.training import alarms
from keras_dim.training import checkpoints
from keras_dim.training import encoders
from keras_dim.training import epoch_log
from keras_dim.training import lost_workers
from keras_dim.training import run_folder
from keras_dim.training import termination
from keras_dim.training.recipe import Recipe

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
    are written after each epoch, every `checkpoint_minutes` if given, and at
    the next step after SIGTERM, unless this is called from another thread than
    the main one, where Python delivers no signals.

    Args:
        recipe: `Recipe`. Data, method, encoder and optimizer.
        directory: str or path. A new or empty folder, or that of the run to
            resume.
        resume: bool. Whether to continue the run in the folder, which must be
            of the same recipe; only `epochs` may differ, if the learning rate
            does not depend on it. Defaults to `False`.
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
        ValueError: for a folder that cannot be used, a recipe that makes no
            sense, and a batch size that the replicas cannot share evenly.
            Nothing has been written then.
        WorkerLostError: if one of several workers has died.
        NonFiniteError: if a loss or a weight became NaN or infinite. All
            checkpoints are from before.
        Terminated: after SIGTERM. It is a `SystemExit` with code 143.
    """
    directory = pathlib.Path(directory)
    saved = directory / run_folder.CHECKPOINTS
    checks.at_least(0, **checks.given(checkpoint_minutes=checkpoint_minutes))
    if isinstance(strategy, str):
        strategy = distribution.strategy(strategy)
    is_chief = distribution.is_chief(strategy)
    run_folder.check(directory, recipe, resume)
    replicas = strategy.num_replicas_in_sync if strategy else 1
    if recipe.batch_size % replicas:
        # The average over each replica's images has the same weight.
        raise ValueError(
            f"`batch_size` must be a multiple of the {replicas} replicas that "
            "share it: change it, or the number of devices. Received: "
            f"{recipe.batch_size}"
        )
    with lost_workers.raise_worker_lost(strategy), _settings(recipe):
        source = reading.held_in_memory(recipe.open_source())
        # `_parts` refuses a batch of more images than there are.
        steps = max(1, source.num_images // recipe.batch_size)
        with strategy.scope() if strategy else contextlib.nullcontext():
            model, done = checkpoints.load_latest(saved)
            is_new = model is None
            if is_new:
                model = recipe.build_model(source.image_shape, steps)
                model.compile(
                    recipe.build_optimizer(steps),
                    steps_per_execution=min(recipe.steps_per_execution, steps),
                )
        parts = _parts(recipe, source, done)
        # Nothing is written before this point, so that a mistake leaves no
        # folder behind and every worker finds the folder unchanged.
        run_folder.check_workers_agree(strategy, directory, done)
        if is_chief:
            run_folder.prepare(directory, recipe, done)
            images, seen = (
                "x".join(map(str, shape))
                for shape in (source.image_shape, model.encoder.input_shape[1:])
            )
            logging.info(
                f"{source.num_images:,} images {images} -> views {seen} -> "
                f"encoder {seen}"
            )
        if is_chief and is_new:
            _save(model.encoder, directory / run_folder.UNTRAINED)
            # Not from the batches of training, which count how far they were
            # read.
            images = next(reading.batches(source, 8))["image"]
            picture = views.show_views(model.views, images)
            with files.atomic_path(directory / run_folder.VIEWS) as temporary:
                picture.save(temporary)
        epochs_done, steps_done = done
        log = epoch_log.EpochLog(
            directory / run_folder.LOG,
            steps * recipe.batch_size,
            epochs_done,
            steps_done * recipe.batch_size,
        )
        writers = [log] if is_chief else []
        if is_chief and opening.has_tensorflow():
            path = directory / run_folder.TENSORBOARD
            writers.append(keras.callbacks.TensorBoard(path, write_graph=False))
        with termination.noticed() as sigterm:
            alarm = alarms.NonFiniteAlarm(
                lambda *step: next(iter(_batches(recipe, source, *step))),
                lambda: checkpoints.load_latest(saved)[0],
                steps_done,
            )
            checkpoint = checkpoints.Checkpoint(
                saved,
                steps,
                minutes=checkpoint_minutes,
                first_step=steps_done,
                sigterm=sigterm,
                strategy=strategy,
            )
            watchers = [
                alarm,
                *callbacks,
                _collapse_report(model.encoder, source),
                evaluation.CeilingReport(model.ceilings(recipe.batch_size)),
            ]
            _fit(model, parts, verbose, [*watchers, *writers, checkpoint])
        if not is_chief:
            return encoders.in_float32(model.encoder)
        encoder = _save(model.encoder, directory / run_folder.ENCODER)
    metrics = {
        "recipe": recipe.name,
        "epochs": recipe.epochs,
        "num_images": source.num_images,
        "seconds": sum(row["seconds"] for row in log.rows),
        "last_epoch": log.rows[-1] if log.rows else {},
    }
    files.write_json(directory / run_folder.METRICS, metrics)
    return encoder


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


def _parts(recipe, source, done):
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


def _batches(recipe, source, epoch, batch):
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


def _fit(model, parts, verbose, callbacks):
    for number, (first, last, images) in enumerate(parts):
        is_rest = number < len(parts) - 1
        means = [checkpoints.RunningMeans()] if is_rest else []
        model.fit(
            images,
            epochs=last,
            initial_epoch=first,
            callbacks=[*means, *callbacks],
            shuffle=False,
            verbose=verbose,
        )
        if model.stop_training:
            return


def _collapse_report(encoder, source):
    """Returns a report on images from all over the source."""
    rows = None
    if source.random_access:
        rows = np.linspace(0, source.num_images - 1, NUM_WATCHED)
        rows = np.unique(rows.astype(np.int64))
    images = next(reading.batches(source, NUM_WATCHED, rows))["image"]
    shape = encoder.input_shape[1:]
    images = [numpy_images.convert(one, shape) for one in images]
    return evaluation.CollapseReport(np.stack(images))


def _save(encoder, path):
    """Saves an encoder in float32, and returns it so."""
    encoder = encoders.in_float32(encoder)
    with files.atomic_path(path) as temporary:
        encoder.save(temporary)
    return encoder
