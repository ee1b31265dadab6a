"""Writes a page about a folder of images: duplicates, outliers, what to label.

The output is a folder with report.html, one page that needs neither a server
nor a network, and with tables of everything on it as CSV and, with the extra
`parquet`, as Parquet: duplicates, outliers, clusters, defects, images to label
first and, where the images have labels, labels that similar images contradict.

Without --encoder, one is first trained on the images by --recipe, which takes
minutes for thousands of images and hours for a hundred thousand. Its run
stays, and is used or resumed by the same command.
"""

import argparse
import functools
import pathlib
import time

from keras_dim.cli import flags
from keras_dim.cli import messages

_DEFAULT_RECIPE = "amdim_cifar10"


def define(parser: argparse.ArgumentParser) -> None:
    """Adds the flags."""
    add = functools.partial(flags.add, parser)
    add("source", required=True)
    add("data_dir")
    add("output", required=True)
    add("encoder", "Default: one is trained first.")
    add("feature")
    add("split", default="train")
    labels = "Look at labels, such as the folders of classes, if there are any."
    add("labels", labels, True)
    add("num_labels", "How many images to choose for labelling.", 100)
    add("recipe", "For runs without --encoder.", _DEFAULT_RECIPE)
    help = "a field of the recipe, or an argument of its parts."
    add("set", help, {}, action=flags.Set, metavar="NAME=VALUE")
    add("directory", "Default: OUTPUT_encoder.")


def run(options) -> None:
    """Trains if need be, and writes the report."""
    from keras_dim import files
    from keras_dim import report
    from keras_dim import training

    output = pathlib.Path(options.output)
    files.refuse_existing(output)
    name = options.encoder
    if name is None:
        name = _trained(options, output)
    elif options.set or options.directory:
        raise ValueError("--set and --directory are for runs without --encoder")
    encoder = training.load_encoder(name)
    counts = report.write_report(
        encoder,
        options.source,
        output,
        options.split,
        options.feature,
        options.labels,
        options.num_labels,
        encoder_name=name,
        report=_Steps(),
    )
    line = (
        f"{counts['num_images']:,} images; {counts['num_duplicates']:,} in "
        f"groups of duplicates; {counts['num_defects']:,} with defects; "
        f"{counts['num_damaged']:,} could not be read"
    )
    if "num_label_issues" in counts:
        line += f"; {counts['num_label_issues']:,} labels in question"
    print(f"{line}. The page: {output / report.PAGE}")


def _trained(options, output):
    """Trains an encoder on the images; returns the folder of its run."""
    from keras_dim import recipes
    from keras_dim import training
    from keras_dim.cli import epoch_lines

    directory = options.directory or f"{output}_encoder"
    is_file = options.recipe.endswith(".json")
    load = training.Recipe.load if is_file else recipes.get
    recipe = load(options.recipe)
    recipe = recipe.replace(
        **{"source": options.source, "split": options.split, **options.set}
    )
    print(
        f"No --encoder: training by {recipe.name} on {recipe.source} for "
        f"{recipe.epochs} epochs in {directory}",
        flush=True,
    )
    lines = epoch_lines.EpochLines(recipe.epochs, recipe.batch_size)
    training.pretrain(recipe, directory, True, [lines], verbose=0)
    return str(directory)


class _Steps:
    """Prints each step once, and the images of long ones."""

    def __init__(self):
        self._step = None
        self._start = time.monotonic()

    def __call__(self, step, done, total):
        if step != self._step:
            self._step = step
            self._progress = messages.Progress()
            print(
                f"{step} ({time.monotonic() - self._start:.0f} s)", flush=True
            )
        if step.endswith("images"):
            self._progress(done, total)
            if done == total:
                self._progress.close()
