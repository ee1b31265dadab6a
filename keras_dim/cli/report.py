"""Writes a page about images: duplicates, outliers, defects, what to label.

The output is a folder with report.html, one page that needs neither a server
nor a network, and with tables of all its content as CSV and, with the extra
`parquet`, as Parquet: duplicates, outliers, clusters, defects, images to label
first and, for labelled images, labels that similar images contradict.

Without --encoder, one is first trained on the images by --recipe, which takes
minutes for thousands of images and hours for a hundred thousand. Its run is
kept: the same command uses or resumes it.
"""

import pathlib
import time

from keras_dim.cli import flags
from keras_dim.cli import messages

_DEFAULT_RECIPE = "amdim_cifar10"


def define(parser: flags.Parser) -> None:
    """Adds the flags."""
    add = parser.add
    add("source", required=True)
    add("data_dir")
    add("output", required=True)
    add("encoder", "Default: one is trained first.")
    add("feature")
    add("split", default="train")
    labels = "Use labels, such as the folders of classes, if there are any."
    add("labels", labels, True)
    add("num_labels", "The number of images to choose for labelling.", 100)
    add("recipe", f"Not with --encoder. Default: {_DEFAULT_RECIPE}.")
    parser.add_set()
    add("directory", "Default: OUTPUT_encoder.")


def run(options) -> None:
    """Trains an encoder if none is given, and writes the report."""
    from keras_dim import files
    from keras_dim import report
    from keras_dim import training

    output = pathlib.Path(options.output)
    files.refuse_existing(output)
    name = options.encoder
    if name is None:
        name = _trained(options, output)
    elif options.recipe or options.set or options.directory:
        raise ValueError(
            "--recipe, --set and --directory train an encoder: leave them out, "
            "or leave out --encoder."
        )
    encoder = training.load_encoder(name)
    names = "source output split feature labels num_labels"
    counts = report.write_report(
        encoder,
        encoder_name=name,
        report=_Steps(),
        **flags.chosen(options, names),
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
    from keras_dim import training
    from keras_dim.cli import epoch_lines
    from keras_dim.cli import pretrain

    directory = options.directory or f"{output}_encoder"
    recipe = pretrain.load_recipe(options.recipe or _DEFAULT_RECIPE).replace(
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
    """Prints each step once, and the number of images that are done."""

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
