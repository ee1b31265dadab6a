"""Looks at images and writes a recipe for them, with reasons.

Counts images, sizes, bands, damaged files, copies and classes; chooses method,
network, size, batch and epochs from them; and times a few real training steps
here, in about a minute. `keras-dim pretrain --recipe recipe.json` follows the
advice.
"""

import argparse
import functools
import pathlib
import shlex

from keras_dim.cli import flags


def define(parser: argparse.ArgumentParser) -> None:
    """Adds the flags."""
    add = functools.partial(flags.add, parser)
    add("source", required=True)
    add("data_dir")
    add("split", default="train")
    add("probe_source")
    add("output", default="recipe.json")
    help = "a field of the recipe, or an argument of its parts."
    add("set", help, {}, action=flags.Set, metavar="NAME=VALUE")
    seconds = "No training step begins after so many; 0 leaves timing out."
    add("seconds", seconds, 60.0)


def run(options) -> None:
    """Prints the advice and writes the recipe."""
    from keras_dim import advice
    from keras_dim import files

    output = pathlib.Path(options.output)
    if output.suffix != ".json":
        raise ValueError(f"--output is a .json file. Received: {output}")
    files.refuse_existing(output)
    found = advice.advise(
        options.source,
        options.split,
        options.probe_source,
        options.set,
        options.seconds,
        report=lambda step: print(f"{step}...", flush=True),
    )
    found.recipe.save(output)
    path = shlex.quote(str(output))
    print(f"\n{found}\n\nThe recipe: keras-dim pretrain --recipe {path}")
