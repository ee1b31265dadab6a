"""Writes an encoder as a SavedModel, which needs no keras_dim."""

from absl import flags

from keras_dim.cli import settings

ARGUMENTS = ()
REQUIRED = ("encoder", "output")


def define(values: flags.FlagValues) -> None:
    """Defines the flags."""
    settings.define_encoder(values)
    flags.DEFINE_string(
        "output",
        None,
        "The folder to be made, such as models/digits/1.",
        flag_values=values,
    )


def check(options) -> None:
    """Refuses what can be refused before Keras is loaded."""


def run(options) -> None:
    """Writes the SavedModel."""
    from keras_dim import training
    from keras_dim.export import export

    path = export(training.load_encoder(options.encoder), options.output)
    print(f"The SavedModel: {path}")
