"""Trains a classifier of labelled images on an encoder, scores and exports it.

First a logistic regression on the frozen feature, then all weights but those
of batch norms, until the loss on held-out images has not fallen for --patience
epochs. Writes a folder with classifier.keras, a SavedModel for TensorFlow
Serving, classes.json and metrics.json.
"""

from keras_dim.cli import flags
from keras_dim.cli import messages


def define(parser: flags.Parser) -> None:
    """Adds the flags."""
    add = parser.add
    add("encoder", required=True)
    add("source", required=True)
    add("data_dir")
    add("output", required=True)
    add("split", default="train")
    add("test_split", default="test")
    add("feature")
    add("epochs", "At most so many in the second stage; 0 skips it.", 20)
    patience = "Epochs without improvement before the second stage stops."
    add("patience", patience, 3)
    add("learning_rate", "Adam's, in the second stage.", 1e-4)
    add("batch_size", default=64)
    add("held_out", "Share of each class to hold out.", 0.1)
    add("seed", default=0)


def run(options) -> None:
    """Trains and prints the scores."""
    from keras_dim import training
    from keras_dim.training import classifying
    from keras_dim.training import recipe

    names = "source output split feature epochs patience learning_rate "
    arguments = flags.chosen(options, f"{names} batch_size held_out seed")
    arguments["test_split"] = recipe.literal(options.test_split)
    encoder = training.load_encoder(options.encoder)
    found = classifying.classify(encoder, report=_print, **arguments)
    names = {
        "majority_class": "the most frequent class alone",
        "frozen_probe": "frozen encoder, linear probe on all training images",
        "linear": "frozen encoder, linear probe without held-out images",
        "accuracy": f"the saved classifier ({found['stage']})",
    }
    rows = [
        (name, messages.percent(found[entry])) for entry, name in names.items()
    ]
    print(f"\n{messages.table(('classifier', 'percent'), rows)}\n")
    print(
        f"Accuracy on {found['num_test']:,} test images. Trained on "
        f"{found['num_train']:,}; {found['num_held_out']:,} held out. "
        f"Adam {options.learning_rate:g}, batch {options.batch_size}, "
        f"{found['epochs']} epochs, seed {options.seed}.\n"
        f"The classifier: {options.output}"
    )


def _print(about):
    """Prints a line about a stage or an epoch."""
    if about["stage"] == "features":
        line = f"Reading the features of {about['images']:,} images..."
    elif about["stage"] == "linear":
        accuracy = messages.percent(about["accuracy"])
        line = f"Linear: {accuracy} percent of the held-out images"
    else:
        accuracy = messages.percent(about["val_accuracy"])
        line = (
            f"Epoch {about['epoch']} of at most {about['epochs']}: loss "
            f"{about['loss']:.4f}, held out: loss {about['val_loss']:.4f}, "
            f"{accuracy} percent; {about['seconds']:.1f} s"
        )
    print(line, flush=True)
