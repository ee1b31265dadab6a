"""Scores an encoder's features on labelled images."""

from absl import flags

from keras_dim.cli import messages
from keras_dim.cli import settings

REQUIRED = ("encoder", "source")

_PROBES = {
    "linear": "linear_probe",
    "mlp": "mlp_probe",
    "neighbors": "nearest_neighbors",
}


def define(values: flags.FlagValues) -> None:
    """Defines the flags."""
    settings.define_encoder(values)
    settings.define_source(values)
    flags.DEFINE_string(
        "split",
        "train",
        "The split that the probe is fitted to.",
        flag_values=values,
    )
    flags.DEFINE_string(
        "test_split", "test", "The split that is scored.", flag_values=values
    )
    flags.DEFINE_string(
        "feature",
        None,
        "Which of the encoder's features. Default: global, or the only one.",
        flag_values=values,
    )
    flags.DEFINE_enum(
        "probe",
        "linear",
        list(_PROBES),
        "A logistic regression, the paper's network of 200 units, or the "
        "nearest neighbours.",
        flag_values=values,
    )
    settings.define_set(
        values,
        "An argument of the probe, such as k=5 of the neighbours, or "
        "labels_per_class=10 of any",
    )


def check(options) -> None:
    """Raises errors that can be found before Keras is loaded."""
    settings.parsed_pairs(options.set)


def run(options) -> None:
    """Prints the score and its protocol."""
    from keras_dim import training

    probe = _PROBES[options.probe]
    arguments = settings.parsed_pairs(options.set)
    training.check_arguments(probe, arguments)
    encoder = training.load_encoder(options.encoder)
    images = training.labelled_images(
        options.source,
        options.split,
        options.test_split,
        image_shape=encoder.input_shape[1:],
    )
    score = training.score(encoder, images, options.feature, probe, arguments)
    print(
        f"{messages.percent(score['accuracy'])} percent of "
        f"{score['num_test']:,} test images ({score['num_train']:,} for "
        f"training; {score['protocol']}). The most frequent class alone: "
        f"{messages.percent(score['majority_class'])} percent"
    )
