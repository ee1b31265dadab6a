"""Trains an encoder by a recipe, with checkpoints and logs in one folder."""

import contextlib
import dataclasses
import operator
import pathlib
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
from keras_dim import plots
from keras_dim import views
from keras_dim.data import numpy_images
from keras_dim.data import opening
from keras_dim.data import reading
from keras_dim.encoders import value_range as encoder_values
from keras_dim.training import alarms
from keras_dim.training import checkpoints
from keras_dim.training import encoders
from keras_dim.training import epoch_log
from keras_dim.training import lost_workers
from keras_dim.training import resuming
from keras_dim.training import run_folder
from keras_dim.training import tensorboard
from keras_dim.training import termination
from keras_dim.training.recipe import Recipe

# Number of images of the board, which is computed after each epoch.
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
    """Trains an encoder by a recipe and writes all files to one folder.

    * `recipe.json`: the recipe, with measured values.
    * `log.csv`: a row of terms for each epoch.
    * `tensorboard`: the log, the board and the views, on any backend, if
      TensorFlow can be imported.
    * `checkpoints`.
    * `encoder.keras`: the encoder, in float32. It loads without keras_dim.
    * `untrained_encoder.keras`: with random weights, to compare with.
    * `start_encoder.keras`: the encoder of `start_from`, if there is one.
    * `views.png`: the first images and their views.
    * `metrics.json`: the terms of the last epoch, and seconds.
    * `curves.png`: the log with the board (`evaluation.Board`), if matplotlib
      is installed.

    With `resume=True` a stopped run continues from its last checkpoint, and
    ends with the weights of an uninterrupted run. Checkpoints are written
    after each epoch, every `checkpoint_minutes` if given, and at the next step
    after SIGTERM or Ctrl-C, if this is the main thread of Python. A second
    Ctrl-C stops at once.

    Args:
        recipe: `Recipe`.
        directory: str or path. A new or empty folder, or that of the run to
            resume.
        resume: bool. Whether to continue the run in the folder, which must be
            of the same recipe. Only `epochs` may differ: schedules then
            continue as those of a run of the new length. Defaults to `False`.
        callbacks: callbacks for `fit`. They are called before those that
            write logs.
        verbose: as in `fit`. Defaults to `"auto"`.
        checkpoint_minutes: float or `None`. Defaults to `None`, no checkpoints
            within epochs.
        strategy: str, or `tf.distribute.Strategy`. The devices and machines
            to train on, see `distribution.strategy`. Each of several workers
            calls this with the same arguments and a `directory` that all of
            them can read; only the chief writes. Defaults to `"auto"`.

    Returns:
        The encoder, in float32.

    Raises:
        ValueError: for a folder, recipe or batch size that cannot be used,
            before anything is written.
        WorkerLostError: if one of several workers has died.
        NonFiniteError: if a loss or a weight became NaN or infinite. All
            checkpoints are from earlier steps.
        Terminated: after SIGTERM. It is a `SystemExit` with code 143.
        KeyboardInterrupt: after Ctrl-C.
    """
    directory = pathlib.Path(directory)
    saved = directory / run_folder.CHECKPOINTS
    checks.at_least(0, **checks.given(checkpoint_minutes=checkpoint_minutes))
    if isinstance(strategy, str):
        strategy = distribution.strategy(strategy)
    is_chief = distribution.is_chief(strategy)
    earlier = resuming.check(directory, recipe, resume)
    replicas = strategy.num_replicas_in_sync if strategy else 1
    if recipe.batch_size % replicas:
        # The averages over the images of each replica have equal weights.
        raise ValueError(
            f"`batch_size` must be a multiple of the {replicas} replicas that "
            f"share it. Received: {recipe.batch_size}"
        )
    with contextlib.ExitStack() as stack:
        stack.enter_context(lost_workers.raise_worker_lost(strategy))
        policy = keras.config.dtype_policy()
        stack.callback(keras.config.set_dtype_policy, policy)
        keras.config.set_dtype_policy(recipe.dtype_policy)
        is_bfloat16 = "bfloat16" in recipe.dtype_policy
        if is_bfloat16 and not distribution.has_bfloat16_units():
            logging.warning(
                "This processor has no units for bfloat16, which may be slower "
                "than float32: train with --set dtype_policy=float32"
            )
        keras.utils.set_random_seed(recipe.seed)
        source = recipe.open_source()
        # With unreadable images, which keep their indices.
        num_images = source.num_images
        source = reading.held_in_memory(source)
        begun = directory / run_folder.RECIPE
        if recipe.values != "8_bit" and resume and begun.exists():
            recipe = dataclasses.replace(
                recipe, values=Recipe.load(begun).values
            )
        recipe = recipe.measured(source)
        # `load` refuses a batch of more images than the source has.
        steps = max(1, source.num_images // recipe.batch_size)
        with strategy.scope() if strategy else contextlib.nullcontext():
            model, done = checkpoints.load_latest(saved)
            is_new = model is None
            if is_new or earlier.epochs != recipe.epochs:
                before, made = model, recipe
                if not is_new:
                    # The weights come from the checkpoint.
                    made = dataclasses.replace(recipe, start_from=None)
                model = made.build_model(source.image_shape, steps, num_images)
                model.compile(
                    recipe.build_optimizer(steps),
                    steps_per_execution=min(recipe.steps_per_execution, steps),
                )
                if not is_new:
                    _copy_state(before, model)
                    logging.info(
                        f"The run goes on to {recipe.epochs} epochs instead of "
                        f"{earlier.epochs}: the next learning rate is "
                        f"{float(model.optimizer.learning_rate):.3g} instead "
                        f"of {float(before.optimizer.learning_rate):.3g}"
                    )

        model.check_num_images(num_images)

        def load(epoch, batch):
            options = {"batch_size": recipe.batch_size, "seed": recipe.seed}
            options |= {"first_epoch": epoch, "first_batch": batch}
            return data.load(source, shuffle=True, **options)

        epochs_done, steps_done = done
        if epochs_done > recipe.epochs:
            raise ValueError(
                f"The run in {directory} has done {epochs_done} epochs. "
                f"Expected epochs={epochs_done} or more. Received: "
                f"epochs={recipe.epochs}"
            )
        # First epoch, last epoch and first step of each call of `fit`. The rest
        # of an epoch needs a call of its own, since Keras assumes that all
        # epochs of a call have the same number of steps.
        calls = [(epochs_done, recipe.epochs, 0)]
        if steps_done and epochs_done < recipe.epochs:
            whole = epochs_done + 1
            calls = [(epochs_done, whole, steps_done)]
            calls.append((whole, recipe.epochs, 0))
        calls = [(*call[:2], load(call[0], call[2])) for call in calls]
        # Nothing is written before this point, so that a mistake leaves no
        # folder behind and every worker finds the folder unchanged.
        resuming.check_workers_agree(strategy, directory, done)
        if is_chief:
            resuming.prepare(directory, recipe, done)
            images = "x".join(map(str, source.image_shape))
            seen = "x".join(map(str, model.encoder.input_shape[1:]))
            logging.info(
                f"{source.num_images:,} images {images} -> views {seen} -> "
                f"encoder {seen}{_values_of(recipe)}"
            )
        if is_chief and is_new:
            untrained = model.encoder
            if recipe.start_from:
                start = _save(untrained, directory / run_folder.START)
                untrained = type(start).from_config(start.get_config())
            _save(untrained, directory / run_folder.UNTRAINED)
            # Not from the batches of training, since each iteration over them
            # counts as an epoch.
            images = next(reading.Epoch(source, 8).batches())["image"]
            picture = views.show_views(model.views, images)
            with files.atomic_path(directory / run_folder.VIEWS) as temporary:
                picture.save(temporary)
            if opening.has_tensorflow():
                tensorboard.write_views(directory, picture)
        size, path = recipe.batch_size, directory / run_folder.LOG
        log = epoch_log.EpochLog(
            path, steps * size, epochs_done, steps_done * size
        )
        writers = [log] if is_chief else []
        if is_chief and opening.has_tensorflow():
            folder = directory / run_folder.TENSORBOARD
            writers.append(
                keras.callbacks.TensorBoard(folder, write_graph=False)
            )
        with termination.noticed() as notice:
            alarm = alarms.NonFiniteAlarm(
                lambda *step: next(iter(load(*step))),
                lambda: checkpoints.load_latest(saved)[0],
                steps_done,
            )
            checkpoint = checkpoints.Checkpoint(
                saved,
                steps,
                minutes=checkpoint_minutes,
                first_step=steps_done,
                notice=notice,
                strategy=strategy,
            )
            board = _board(model, source)
            callbacks = [
                alarm,
                *callbacks,
                board,
                evaluation.CeilingReport(model.ceilings(recipe.batch_size)),
                *writers,
                checkpoint,
            ]
            for first, last, images in calls:
                is_rest = first < calls[-1][0]
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
                    break
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
    # A run that had no steps left to do keeps its picture.
    if board.references:
        _draw(log.rows, board.references, directory / run_folder.CURVES)
    return encoder


def _copy_state(before, model):
    """Copies all weights and all state of a model and its optimizer."""
    model.optimizer.build(model.trainable_variables)
    for part in ("variables", "optimizer.variables"):
        of = operator.attrgetter(part)
        for one, other in zip(of(before), of(model), strict=True):
            other.assign(one)


def _draw(rows, references, path):
    """Draws the curves of a run, if matplotlib is installed."""
    if not plots.is_available():
        logging.info(f"No {path.name}: pip install keras-dim[plots]")
        return
    with files.atomic_path(path) as temporary:
        plots.curves(rows, references).savefig(temporary, dpi=100)


def _board(model, source):
    """Returns a board of images from all over the source."""
    rows = np.linspace(0, source.num_images - 1, NUM_WATCHED)
    rows = np.unique(rows.astype(np.int64))
    images = next(reading.Epoch(source, NUM_WATCHED, rows).batches())["image"]
    shape = model.encoder.input_shape[1:]
    # Views may be crops of images larger than the encoder takes.
    drawn = evaluation.two_views(model.views, images, shape)
    images = [numpy_images.convert(one, shape) for one in images]
    return evaluation.Board(
        np.stack(images), views=drawn, values=encoder_values(model.encoder)
    )


def _values_of(recipe):
    """Returns a clause about the range of stored values, or `""`."""
    if recipe.values == "8_bit":
        return ""
    found = data.Statistics.from_dict(recipe.values)
    ends = [
        f"{a:g} to {b:g}" for a, b in zip(found.low, found.high, strict=True)
    ]
    stated = ", ".join(ends[:5] + ["..."] * (len(ends) > 5))
    how = "measured" if found.declared is None else "declared"
    return f"; {found.dtype}, range {how}: {stated}"


def _save(encoder, path):
    """Saves and returns a copy of an encoder in float32."""
    encoder = encoders.in_float32(encoder)
    with files.atomic_path(path) as temporary:
        encoder.save(temporary)
    return encoder
