"""Trains an encoder on images without labels.

Leaves a folder with the recipe, the log (CSV and TensorBoard), checkpoints,
the encoder and metrics.json. Where the images have labels and a split to score
on, it ends with a table of scores: of the raw pixels, of the encoder before
training and of the trained one. Without flags it takes the bundled digits.

After SIGTERM, with which schedulers stop a run, it writes a checkpoint at the
next step and ends with exit code 143. The same command with --resume continues
from there.
"""

import pathlib
import shlex
import sys

from absl import flags

from keras_dim.cli import messages
from keras_dim.cli import settings

_DEFAULT_RECIPE = "deep_infomax_digits"
_RUNS = pathlib.Path("runs")
# Repeated here, as importing them would import Keras before flags are read.
_STRATEGIES = ("auto", "one", "mirrored", "multi_worker")


def define(values: flags.FlagValues) -> None:
    """Defines the flags."""
    flags.DEFINE_string(
        "recipe",
        None,
        "Name of a recipe (`keras-dim list` shows them) or path of a "
        f"recipe.json. Default: {_DEFAULT_RECIPE}, or with --resume the run's.",
        flag_values=values,
    )
    settings.define_source(values)
    flags.DEFINE_string(
        "directory",
        None,
        "Folder of the run. Default: runs/ and the recipe's name.",
        flag_values=values,
    )
    flags.DEFINE_integer(
        "epochs", None, "Passes over the images.", 1, flag_values=values
    )
    settings.define_set(values, "A field of the recipe")
    flags.DEFINE_boolean(
        "resume",
        False,
        "Continue a run that was stopped, from its last checkpoint; start it "
        "if there is none.",
        flag_values=values,
    )
    flags.DEFINE_float(
        "checkpoint_minutes",
        None,
        "Also write a checkpoint this often within an epoch. Default: only "
        "after each epoch, and after SIGTERM.",
        0.0,
        flag_values=values,
    )
    flags.DEFINE_enum(
        "strategy",
        "auto",
        _STRATEGIES,
        "The devices to train on. one: one device. mirrored: all GPUs of this "
        "machine. multi_worker: the processes that TF_CONFIG names, each "
        "started with the same flags. auto: all that are available.",
        flag_values=values,
    )
    flags.DEFINE_boolean(
        "probe", True, "Score the encoder at the end.", flag_values=values
    )


def check(options) -> None:
    """Raises errors that can be found before Keras is loaded."""
    _changes(options)
    directory = _directory(options)
    if (directory / "recipe.json").exists() and not options.resume:
        raise ValueError(
            f"{directory} already holds a run. Go on with it (--resume), or "
            "choose a new folder (--directory)."
        )


def run(options) -> int | None:
    """Trains and scores; returns an exit code if SIGTERM stopped it."""
    from keras_dim import distribution
    from keras_dim import training

    # Workers must be joined before TensorFlow does anything else.
    strategy = distribution.strategy(options.strategy)
    is_chief = distribution.is_chief(strategy)
    recipe, directory = _recipe(options), _directory(options)
    probes = options.probe and is_chief
    images = _labelled_images(recipe) if probes else None
    if is_chief:
        print(f"Training {recipe.name} on {recipe.source} in {directory}")
    try:
        training.pretrain(
            recipe,
            directory,
            resume=options.resume,
            verbose=messages.keras_verbosity() if is_chief else 0,
            checkpoint_minutes=options.checkpoint_minutes,
            strategy=strategy,
        )
    except KeyboardInterrupt:
        print(f"\nStopped. {_how_to_resume(directory)}")
        raise
    except training.Terminated as error:
        print(
            f"keras-dim: stopped by SIGTERM. {_how_to_resume(directory)}",
            file=sys.stderr,
        )
        return error.code
    if images is not None:
        _print_scores(directory, images)
    if is_chief:
        print(f"The encoder: {directory / 'encoder.keras'}")
    return None


def _how_to_resume(directory):
    where = shlex.quote(str(directory))
    return f"Go on with: keras-dim pretrain --resume --directory {where}"


def _recipe(options):
    from keras_dim import recipes
    from keras_dim import training

    directory = _directory(options)
    name = options.recipe
    if name is None and options.resume and (directory / "recipe.json").exists():
        name = str(directory / "recipe.json")
    changes = _changes(options)
    if name is None and "source" in changes:
        raise ValueError(
            f"Name a recipe for {changes['source']}: --recipe NAME. The "
            f"default, {_DEFAULT_RECIPE}, is for grey images of 28 pixels. "
            "`keras-dim list` shows all; deep_infomax_cifar10 with --set "
            "image_size=32 suits small colour images"
        )
    name = name or _DEFAULT_RECIPE
    if name.endswith(".json"):
        recipe = training.Recipe.load(name)
    else:
        recipe = recipes.get(name)
    return recipe.replace(**changes)


def _directory(options):
    if options.directory is not None:
        return pathlib.Path(options.directory)
    return _RUNS / pathlib.Path(options.recipe or _DEFAULT_RECIPE).stem


def _changes(options):
    changes = settings.pairs(options.set)
    for name in ("source", "epochs"):
        value = getattr(options, name)
        if value is None:
            continue
        if name in changes:
            raise ValueError(f"--{name} and --set {name}=... are both given.")
        changes[name] = value
    return changes


def _labelled_images(recipe):
    """Opens the images for scores: training takes days, errors come first."""
    from keras_dim import training

    try:
        return training.labelled_images_of(recipe)
    except training.NoLabelsError as error:
        print(f"There will be no scores: {error}.")
        return None
    except ValueError as error:
        raise ValueError(
            f"{error} (These are the labelled images to score the encoder on. "
            "--set test_split=NAME names others; --noprobe trains without "
            "scores.)"
        ) from error


def _print_scores(directory, images):
    from keras_dim import training

    print("\nScoring the encoder on labelled images...", flush=True)
    scores = training.score_run(directory, images)
    header = (
        "probe",
        "feature",
        "labels",
        "raw pixels",
        "untrained",
        "trained",
    )
    rows = [
        (
            score["probe"],
            score["feature"],
            f"{score['num_train']:,}",
            messages.percent(score["raw_pixels"]),
            messages.percent(score["untrained"]),
            messages.percent(score["accuracy"]),
        )
        for score in scores
    ]
    print(f"\n{messages.table(header, rows)}\n")
    print(
        f"Accuracy on {scores[0]['num_test']:,} test images, in percent. The "
        f"protocols: {directory / 'metrics.json'}"
    )
