"""Compares encoders with raw pixels, no training, and supervision.

Scores every encoder by each protocol, beside the pixels, the first encoder
without training, and the same network trained from scratch on the same labels
for a small number of batches. Ends with whether pre-training is worth it here.
"""

import argparse
import functools

from keras_dim.cli import flags


def define(parser: argparse.ArgumentParser) -> None:
    """Adds the flags."""
    add = functools.partial(flags.add, parser)
    repeated = {"action": "append", "required": True}
    add("encoder", "Repeatable; the first is the one in question.", **repeated)
    add("source", required=True)
    add("data_dir")
    add("split", default="train")
    add("test_split", default="test")
    help = (
        "linear, linear_sgd (MoCo's), linear_sgd_cmc, linear_sgd_simclr, "
        "linear_sgd_byol, weighted_200_neighbors, linear_1_percent, "
        "linear_10_percent, fine_tuned_1_percent, fine_tuned_10_percent or "
        "fine_tuned. Repeatable. Default: linear, weighted_200_neighbors and "
        "linear_10_percent."
    )
    add("protocol", help, action="append")
    help = "Batches of 64 of each supervised training; 0 leaves it out."
    add("supervised_steps", help, 500)


def run(options) -> None:
    """Prints the table and the verdict."""
    from keras_dim import evaluation
    from keras_dim import training
    from keras_dim.training import recipe

    if len(set(options.encoder)) < len(options.encoder):
        raise ValueError(
            f"--encoder must be different ones. Received: {options.encoder}"
        )
    encoders = {name: training.load_encoder(name) for name in options.encoder}
    found = evaluation.compare(
        encoders,
        options.source,
        options.protocol or evaluation.comparison.DEFAULT,
        options.split,
        recipe.literal(options.test_split),
        options.supervised_steps,
        lambda entry: print(
            f"{entry['encoder']}, {entry['name']}: {entry['protocol']}",
            flush=True,
        ),
    )
    print(f"\n{found}")
