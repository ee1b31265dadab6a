"""Turns a folder of images into an array of features.

Writes features.npy, which numpy.load(..., mmap_mode="r") maps, index.csv with
the path and the label of each row, and skipped.csv with the images that cannot
be read.
"""

from absl import flags

from keras_dim.cli import messages
from keras_dim.cli import settings

ARGUMENTS = ()
REQUIRED = ("encoder", "source", "output")


def define(values: flags.FlagValues) -> None:
    """Defines the flags."""
    settings.define_encoder(values)
    settings.define_source(values)
    flags.DEFINE_string(
        "output", None, "The folder to be made.", flag_values=values
    )
    flags.DEFINE_string(
        "feature",
        "global",
        "Which of the encoder's features.",
        flag_values=values,
    )
    flags.DEFINE_string(
        "split", "train", "The split, where there are such.", flag_values=values
    )
    flags.DEFINE_integer(
        "batch_size", 256, "Images at a time.", 1, flag_values=values
    )


def check(options) -> None:
    """Refuses what can be refused before Keras is loaded."""
    import os

    if os.path.lexists(options.output):
        raise ValueError(
            f"{options.output} exists, and nothing is overwritten: choose a "
            "new folder, or delete it first."
        )


def run(options) -> None:
    """Writes the features."""
    from keras_dim import training

    encoder = training.load_encoder(options.encoder)
    progress = messages.Progress("images")
    try:
        result = training.embed(
            encoder,
            options.source,
            options.output,
            options.feature,
            options.batch_size,
            options.split,
            report=progress,
        )
    finally:
        progress.close()
    skipped = (
        f"; {result['num_skipped']:,} could not be read (skipped.csv)"
        if result["num_skipped"]
        else ""
    )
    print(
        f"{result['num_images']:,} images, {result['width']:,} features each, "
        f"in {options.output}{skipped}"
    )
