"""Scores an encoder's features on labelled images."""

from keras_dim.cli import flags
from keras_dim.cli import messages

_PROBES = {
    "linear": "linear_probe",
    "sgd": "sgd_probe",
    "mlp": "mlp_probe",
    "neighbors": "nearest_neighbors",
}


def define(parser: flags.Parser) -> None:
    """Adds the flags."""
    add = parser.add
    add("encoder", required=True)
    add("source", required=True)
    add("data_dir")
    add("split", default="train")
    add("test_split", default="test")
    add("feature")
    probe = (
        "linear: logistic regression. sgd: a linear layer trained by SGD. mlp: "
        "the network of the Deep InfoMax paper. neighbors: nearest neighbours."
    )
    add("probe", probe, "linear", choices=_PROBES)
    parser.add_set(
        "an argument of the probe, such as k=5 or labels_per_class=10."
    )


def run(options) -> None:
    """Prints the score and its protocol."""
    from keras_dim import encoders
    from keras_dim import evaluation
    from keras_dim import training
    from keras_dim.training import recipe

    probe = _PROBES[options.probe]
    arguments = {name: recipe.literal(v) for name, v in options.set.items()}
    evaluation.check_arguments(probe, arguments)
    encoder = training.load_encoder(options.encoder)
    images = evaluation.labelled_images(
        options.source,
        options.split,
        recipe.literal(options.test_split),
        image_shape=encoder.input_shape[1:],
        values=encoders.how_read(encoder),
    )
    score = evaluation.score(encoder, images, options.feature, probe, arguments)
    print(
        f"{messages.percent(score['accuracy'])} percent of "
        f"{score['num_test']:,} test images ({score['num_train']:,} for "
        f"training; {score['protocol']}). The most frequent class alone: "
        f"{messages.percent(score['majority_class'])} percent"
    )
