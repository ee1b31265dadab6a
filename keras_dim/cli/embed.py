"""Turns a folder of images into an array of features.

Writes features.npy, which numpy.load(..., mmap_mode="r") maps, index.csv with
the path and the label of each row, and skipped.csv with the images that cannot
be read. The encoder runs here (--encoder) or on a server (--server, --model).

With --num_shards there are such files for each shard, and several processes,
on machines that share the folder, can write them: start the same command once
for each worker, with --num_workers and its own --worker. A worker that was
stopped is started again by the same command, and skips the shards that are
done. keras_dim.training.read_embedding maps all shards.
"""

import contextlib

from absl import flags

from keras_dim.cli import messages
from keras_dim.cli import settings

REQUIRED = ("source", "output")


def define(values: flags.FlagValues) -> None:
    """Defines the flags."""
    settings.define_encoder(values, " Or --server.")
    flags.DEFINE_string(
        "server",
        None,
        "Where TensorFlow Serving runs the encoder: host:8500 for gRPC, "
        "http://host:8501 for REST. Or --encoder.",
        flag_values=values,
    )
    flags.DEFINE_string(
        "model",
        None,
        "The name of the encoder on the server.",
        flag_values=values,
    )
    flags.DEFINE_integer(
        "version",
        None,
        "The version of the encoder on the server; embed.json names that of "
        "existing shards (default: the newest).",
        0,
        flag_values=values,
    )
    flags.DEFINE_float(
        "timeout",
        60.0,
        "Seconds that the server may take for a batch.",
        0.001,
        1e6,
        flag_values=values,
    )
    settings.define_source(values)
    flags.DEFINE_string(
        "output",
        None,
        "The folder to be made; with --num_shards also one to be completed.",
        flag_values=values,
    )
    flags.DEFINE_string(
        "feature",
        None,
        "Which of the encoder's features. Default: global, or the only one.",
        flag_values=values,
    )
    flags.DEFINE_string(
        "split", "train", "The split, where there are such.", flag_values=values
    )
    flags.DEFINE_integer(
        "batch_size", 256, "Images at a time.", 1, flag_values=values
    )
    flags.DEFINE_integer(
        "num_shards",
        None,
        "The number of shards. Without it, all features are in one array, "
        "which is there once it is complete.",
        1,
        flag_values=values,
    )
    flags.DEFINE_integer(
        "worker",
        0,
        "The number of this worker, from 0: it writes every num_workers-th "
        "shard, starting with this one.",
        0,
        flag_values=values,
    )
    flags.DEFINE_integer(
        "num_workers", 1, "How many workers there are.", 1, flag_values=values
    )


def check(options) -> None:
    """Raises errors that can be found before Keras is loaded."""
    import os

    if (options.encoder is None) == (options.server is None):
        received = "neither" if options.encoder is None else "both"
        raise ValueError(
            "`keras-dim embed` needs either --encoder, which runs here, or "
            f"--server and --model. Received: {received}"
        )
    if (options.server is None) != (options.model is None):
        missing = "model" if options.model is None else "server"
        raise ValueError(
            f"--server and --model go together. --{missing} is missing."
        )
    if options.server is None and options.version is not None:
        raise ValueError(
            "--version belongs to a model on a server. --server is missing."
        )
    if options.server is not None:
        from keras_dim import serving

        serving.parse_address(options.server)
    if options.worker >= options.num_workers:
        raise ValueError(
            f"--worker must be from 0 to {options.num_workers - 1}, one less "
            f"than --num_workers. Received: {options.worker}"
        )
    if options.num_shards is None and options.num_workers > 1:
        raise ValueError(
            "--num_workers needs --num_shards: workers share the shards of an "
            "embedding."
        )
    if options.num_shards is None and os.path.lexists(options.output):
        raise ValueError(
            f"{options.output} exists, and nothing is overwritten: choose a "
            "new folder, or delete it first."
        )


def run(options) -> None:
    """Writes the features."""
    from keras_dim import training

    progress = messages.Progress("images")
    with _encoder(options) as encoder:
        try:
            result = training.embed(
                encoder,
                options.source,
                options.output,
                options.feature,
                options.batch_size,
                options.split,
                report=progress,
                num_shards=options.num_shards,
                worker=options.worker,
                num_workers=options.num_workers,
            )
        finally:
            progress.close()
    where = options.output
    if options.num_shards is not None:
        where = (
            f"{result['num_written']:,} of {options.num_shards:,} shards in "
            f"{options.output}"
        )
    skipped = (
        f"; {result['num_skipped']:,} could not be read (skipped.csv)"
        if result["num_skipped"]
        else ""
    )
    passed_over = (
        f"; {result['num_passed_over']:,} shards were there"
        if result.get("num_passed_over")
        else ""
    )
    print(
        f"{result['num_images']:,} images, {result['width']:,} features each, "
        f"in {where}{skipped}{passed_over}"
    )


def _encoder(options) -> contextlib.AbstractContextManager:
    if options.server is None:
        from keras_dim import training

        return contextlib.nullcontext(training.load_encoder(options.encoder))
    from keras_dim import serving

    return serving.Client(
        options.server,
        options.model,
        version=options.version,
        batch_size=options.batch_size,
        timeout=options.timeout,
    )
