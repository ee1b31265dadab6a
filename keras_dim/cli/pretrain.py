"""Trains an encoder on images without labels.

Leaves a folder with the recipe, the log (CSV and TensorBoard), checkpoints,
the encoder and metrics.json. Where the images have labels and a split to score
on, it ends with a table of scores: of the raw pixels, of an untrained encoder,
with --from of the one before training, and of the trained one. Without flags
it takes the bundled digits.

After SIGTERM, with which schedulers stop a run, or Ctrl-C it writes a
checkpoint at the next step and ends with exit code 143 or 130. The same
command with --resume continues from there. A second Ctrl-C stops at once.
"""

import argparse
import functools
import pathlib
import shlex
import sys

from keras_dim.cli import flags
from keras_dim.cli import messages

_DEFAULT_RECIPE = "deep_infomax_digits"


def define(parser: argparse.ArgumentParser) -> None:
    """Adds the flags."""
    add = functools.partial(flags.add, parser)
    add(
        "recipe",
        f"Default: {_DEFAULT_RECIPE}, or with --resume the run's.",
    )
    setting = {"default": {}, "action": flags.Set}
    help = "a field of the recipe, or an argument of its parts."
    add("set", help, metavar="NAME=VALUE", **setting)
    setting |= {"dest": "set"}
    probe_split = (
        "The split that probes are fitted to. Default: that of training. A "
        "number, such as 0.2, is one for --test_split."
    )
    for name, help in (
        ("source", ""),
        ("split", ""),
        ("epochs", ""),
        ("batch_size", ""),
        ("seed", ""),
        ("probe_source", ""),
        ("probe_split", probe_split),
        ("test_split", ""),
    ):
        add(name, help, const=name, metavar=name.upper(), **setting)
    add("data_dir")
    start = "Start from this encoder and, without --recipe, by its recipe."
    add("from", start, const="start_from", metavar="ENCODER", **setting)
    add("directory", "Default: runs/ and the recipe's name.")
    resume = "Continue a run from its last checkpoint; start it without one."
    add("resume", resume, False)
    minutes = "Also write a checkpoint this often within an epoch."
    add("checkpoint_minutes", minutes, type=float)
    add(
        "strategy",
        "The devices to train on. one: one device. mirrored: all GPUs of this "
        "machine. multi_worker: the processes that TF_CONFIG names, each "
        "started with the same flags. auto: all that are available.",
        "auto",
    )
    add("score", "Score the encoder at the end, which is the default.", True)
    # As they were called before.
    flags.add_hidden_switch(parser, "probe", "score")


def run(options) -> int | None:
    """Trains and scores; returns an exit code where it was stopped."""
    from keras_dim import distribution
    from keras_dim import training
    from keras_dim.cli import epoch_lines

    # Workers must be joined before TensorFlow does anything else.
    strategy = distribution.strategy(options.strategy)
    is_chief = distribution.is_chief(strategy)
    name = pathlib.Path(options.recipe or _DEFAULT_RECIPE).stem
    directory = pathlib.Path(options.directory or f"runs/{name}")
    recipe = _recipe(options, directory)
    images = _labelled_images(recipe) if options.score and is_chief else None
    lines = []
    if is_chief:
        print(
            f"Training by the recipe {recipe.name} on {recipe.source} in "
            f"{directory}"
        )
        lines = [epoch_lines.EpochLines(recipe.epochs, recipe.batch_size)]
    try:
        given = {"verbose": 0, "strategy": strategy, "callbacks": lines}
        given |= {"checkpoint_minutes": options.checkpoint_minutes}
        training.pretrain(recipe, directory, options.resume, **given)
    except (KeyboardInterrupt, training.Terminated) as error:
        is_sigterm = isinstance(error, SystemExit)
        cause, code = ("SIGTERM", 143) if is_sigterm else ("Ctrl-C", 130)
        print(
            f"keras-dim: stopped by {cause}. Go on with: keras-dim pretrain "
            f"--resume --directory {shlex.quote(str(directory))}",
            file=sys.stderr,
        )
        return code
    if images is not None:
        _print_scores(directory, images)
    if is_chief:
        print(f"The encoder: {directory / 'encoder.keras'}")
    return None


def _recipe(options, directory):
    from keras_dim import recipes
    from keras_dim import training

    name, path = options.recipe, directory / "recipe.json"
    if name is None and options.resume and path.exists():
        name = str(path)
    start = options.set.get("start_from")
    start = training.recipe.literal(start, "start_from")
    if name is None and start:
        path = pathlib.Path(start, "recipe.json")
        name = str(path) if path.exists() else start
    if name is None and "source" in options.set:
        raise ValueError(
            f"Name a recipe for {options.set['source']}: --recipe NAME "
            "(`keras-dim list`). The default is for grey digits. For small "
            "colour images: deep_infomax_cifar10 with --set image_size=32"
        )
    name = name or _DEFAULT_RECIPE
    is_file = name.endswith(".json")
    recipe = training.Recipe.load(name) if is_file else recipes.get(name)
    return recipe.replace(**options.set)


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
            "--test_split NAME names others; --noscore trains without "
            "scores.)"
        ) from error


def _print_scores(directory, images):
    from keras_dim import training

    print("\nScoring the encoder on labelled images:", flush=True)

    def report(score):
        accuracy = messages.percent(score["accuracy"])
        name = f"{score['probe']} of {score['feature']}"
        print(f"{name}, {score['num_train']:,} labels: {accuracy}", flush=True)

    scores = training.score_run(directory, images, report)
    columns = {"raw_pixels": "raw pixels", "untrained": "untrained"}
    if "start" in scores[0]:
        columns["start"] = "before training"
    columns["accuracy"] = "trained"
    header = "probe", "feature", "labels", *columns.values()
    rows = [
        (
            score["probe"],
            score["feature"],
            f"{score['num_train']:,}",
            *(messages.percent(score[entry]) for entry in columns),
        )
        for score in scores
    ]
    print(f"\n{messages.table(header, rows)}\n")
    print(
        f"Accuracy on {scores[0]['num_test']:,} test images, in percent. The "
        f"protocols: {directory / 'metrics.json'}"
    )
