"""Looks at images and writes a recipe for them, with reasons.

Counts images, sizes, bands, damaged files, copies and classes; chooses method,
network, size, batch and epochs from them; and times a few real training steps
on this machine, in about a minute. `keras-dim pretrain --recipe recipe.json`
trains by the recipe.
"""

import pathlib
import shlex

from keras_dim.cli import flags


def define(parser: flags.Parser) -> None:
    """Adds the flags."""
    add = parser.add
    add("source", required=True)
    add("data_dir")
    add("split", default="train")
    add("probe_source")
    add("output", default="recipe.json")
    parser.add_set()
    seconds = "Starts no more training steps after this time; 0: no timing."
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
