"""Turns a folder of images into an array of features.

Writes features.npy, which numpy.load(..., mmap_mode="r") maps, index.csv with
the path and the label of each row, and skipped.csv with the images that cannot
be read. The encoder runs here (--encoder) or on a server (--server, --model).

With --num_shards each shard has such files, and several processes, on machines
that share the folder, can write them: start the same command once for each
worker, with --num_workers and its own --worker. To restart a worker that was
stopped, repeat its command: it skips the shards that are done.
keras_dim.training.read_embedding maps all shards.
"""

import contextlib

from keras_dim.cli import flags
from keras_dim.cli import messages


def define(parser: flags.Parser) -> None:
    """Adds the flags."""
    add = parser.add
    where = parser.add_mutually_exclusive_group(required=True)
    add("encoder", group=where)
    server = "TensorFlow Serving: host:port (gRPC) or http://host:port (REST)."
    add("server", server, group=where)
    add("model", "The name of the model on the server.")
    add("version", "Its version on the server. Default: the newest.", type=int)
    help = "Seconds for each batch, with retries. Default: 60."
    add("timeout", help, type=float)
    add("source", required=True)
    add("data_dir")
    add("output", "With --num_shards it is completed.", required=True)
    add("feature")
    add("split", default="train")
    add("batch_size", default=256)
    add("num_shards", "Default: one array of all features.", type=int)
    add("worker", "The number of this worker, counted from 0.", 0)
    add("num_workers", "The number of all workers.", 1)


def run(options) -> None:
    """Writes the features."""
    from keras_dim import checks
    from keras_dim import serving
    from keras_dim import training

    given = flags.chosen(options, "model version batch_size timeout")
    given = checks.given(**given)
    if options.server is None:
        if given.keys() - {"batch_size"}:
            raise ValueError(
                "--model, --version and --timeout belong to a --server."
            )
        encoder = training.load_encoder(options.encoder)
        opened = contextlib.nullcontext(encoder)
    elif options.model is None:
        raise ValueError("--server needs --model, the name of the model.")
    else:
        opened = serving.Client(options.server, **given)
    names = "source output feature batch_size split num_shards worker"
    arguments = flags.chosen(options, f"{names} num_workers")
    progress = messages.Progress()
    with opened as encoder, contextlib.closing(progress):
        result = training.embed(encoder, report=progress, **arguments)
    where = options.output
    if options.num_shards is not None:
        written = f"{result['num_written']:,} of {options.num_shards:,}"
        where = f"{written} shards in {where}"
    line = (
        f"{result['num_images']:,} images, {result['width']:,} features each, "
        f"in {where}"
    )
    if result["num_skipped"]:
        line += f"; {result['num_skipped']:,} could not be read (skipped.csv)"
    if result.get("num_passed_over"):
        line += f"; {result['num_passed_over']:,} shards were done before"
    print(line)
