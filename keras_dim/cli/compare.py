"""Compares encoders with raw pixels, untrained and supervised networks.

Scores every encoder by each protocol, and also the pixels, the first encoder
without training, and its network trained from scratch on the same labels for a
small number of batches. Ends with whether pre-training is worth it here.
"""

from keras_dim.cli import flags


def define(parser: flags.Parser) -> None:
    """Adds the flags."""
    add = parser.add
    repeated = {"action": "append", "required": True}
    add("encoder", "Repeatable; the verdict is about the first.", **repeated)
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
    help = "Batches of 64 for each supervised training; 0 skips it."
    add("supervised_steps", help, 500)


def run(options) -> None:
    """Prints the table and the verdict."""
    from keras_dim import evaluation
    from keras_dim import training
    from keras_dim.training import recipe

    if len(set(options.encoder)) < len(options.encoder):
        raise ValueError(
            f"Each --encoder must be different. Received: {options.encoder}"
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
