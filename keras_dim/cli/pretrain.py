"""Trains an encoder on images without labels.

Writes a folder with the recipe, the log (CSV and TensorBoard), checkpoints,
the encoder and metrics.json. If the images have labels and a split to score
on, it ends with a table of scores: of the raw pixels, of an untrained encoder,
with --from of the encoder before training, and of the trained one. Without
flags it trains on the bundled digits.

After SIGTERM, by which schedulers stop a run, or Ctrl-C it writes a checkpoint
at the next step and ends with exit code 143 or 130. The same command with
--resume continues the run. A second Ctrl-C stops at once.
"""

import argparse
import pathlib
import shlex
import sys

from keras_dim.cli import flags
from keras_dim.cli import messages

_DEFAULT_RECIPE = "deep_infomax_digits"


def define(parser: flags.Parser) -> None:
    """Adds the flags."""
    add = parser.add
    add("recipe", f"Default: {_DEFAULT_RECIPE}; with --resume, the run's.")
    parser.add_set()
    setting = {"default": {}, "action": flags.Set, "dest": "set"}
    fields = "source split epochs batch_size seed probe_source probe_split"
    for name in (*fields.split(), "test_split"):
        add(name, const=name, metavar=name.upper(), **setting)
    add("data_dir")
    start = "Start from this encoder and, without --recipe, use its recipe."
    add("from", start, const="start_from", metavar="ENCODER", **setting)
    add("directory", "Default: runs/ and the recipe's name.")
    resume = "Continue from the last checkpoint, or start if there is none."
    add("resume", resume, False)
    minutes = "Minutes between further checkpoints within an epoch."
    add("checkpoint_minutes", minutes, type=float)
    add(
        "strategy",
        "The devices to train on. one: one device. mirrored: all GPUs of this "
        "machine. multi_worker: the processes in TF_CONFIG, each started with "
        "the same flags. auto: all available devices.",
        "auto",
    )
    add("score", "Score the encoder at the end. Default: --score.", True)
    # The former names.
    parser.add_argument(
        "--probe",
        "--noprobe",
        dest="score",
        action=flags.Switch,
        nargs=0,
        default=argparse.SUPPRESS,
        help=argparse.SUPPRESS,
    )


def run(options) -> int | None:
    """Trains and scores; returns an exit code if it was stopped."""
    from keras_dim import distribution
    from keras_dim import training
    from keras_dim.cli import epoch_lines

    # Workers must connect before TensorFlow does anything else.
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
            f"keras-dim: stopped by {cause}. To continue: keras-dim pretrain "
            f"--resume --directory {shlex.quote(str(directory))}",
            file=sys.stderr,
        )
        return code
    if images is not None:
        _print_scores(directory, images)
    if is_chief:
        print(f"The encoder: {directory / 'encoder.keras'}")
    return None


def load_recipe(name):
    """Returns a recipe by its name or by the path of its `.json` file."""
    from keras_dim import recipes
    from keras_dim import training

    is_file = name.endswith(".json")
    return training.Recipe.load(name) if is_file else recipes.get(name)


def _recipe(options, directory):
    from keras_dim import recipes
    from keras_dim import training

    share = training.recipe.literal(options.set.get("probe_split"))
    if isinstance(share, float) and "test_split" in options.set:
        raise ValueError(
            f"--probe_split {share} replaces --test_split: leave one out."
        )
    name, path = options.recipe, directory / "recipe.json"
    if name is None and options.resume and path.exists():
        name = str(path)
    start = options.set.get("start_from")
    start = training.recipe.literal(start, "start_from")
    if name is None and start:
        path = pathlib.Path(start, "recipe.json")
        name = str(path) if path.exists() else start
        if not (path.exists() or name in recipes.RECIPES):
            raise ValueError(
                f"There is no recipe of {start!r}: it is neither a run nor a "
                "preset's name. Pass --recipe NAME, too (`keras-dim list`)."
            )
    if name is None and options.set.get("source", "digits") != "digits":
        raise ValueError(
            f"Name a recipe for {options.set['source']}: --recipe NAME "
            "(`keras-dim list`), because the default is for grey digits. For "
            "small colour images: deep_infomax_cifar10 with --set image_size=32"
        )
    return load_recipe(name or _DEFAULT_RECIPE).replace(**options.set)


def _labelled_images(recipe):
    """Opens the images to score on before training, which may take days."""
    from keras_dim import training

    try:
        return training.labelled_images_of(recipe)
    except training.NoLabelsError as error:
        print(f"There will be no scores: {error}.")
        return None
    except ValueError as error:
        raise ValueError(
            f"{error} (These are the labelled images to score the encoder on. "
            "--test_split NAME chooses others; --noscore trains without "
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
        f"Accuracy on {scores[0]['num_test']:,} test images, in percent. "
        f"Details: {directory / 'metrics.json'}"
    )
