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

import argparse
import contextlib
import functools

from keras_dim.cli import flags
from keras_dim.cli import messages


def define(parser: argparse.ArgumentParser) -> None:
    """Adds the flags."""
    add = functools.partial(flags.add, parser)
    where = parser.add_mutually_exclusive_group(required=True)
    flags.add(where, "encoder")
    server = (
        "TensorFlow Serving: host:8500 for gRPC, http://host:8501 for REST."
    )
    flags.add(where, "server", server)
    add("model", "The name of the encoder on the server.")
    add("version", "Its version on the server. Default: the newest.", type=int)
    add("timeout", "Seconds that the server may take for a batch.", 60.0)
    add("source", required=True)
    add("data_dir")
    add("output", "With --num_shards it may, and is completed.", required=True)
    add("feature")
    add("split", default="train")
    add("batch_size", default=256)
    num_shards = "The number of shards. Default: one array of all features."
    add("num_shards", num_shards, type=int)
    worker = "The number of this worker, from 0: its first shard."
    add("worker", worker, 0)
    add("num_workers", "How many workers there are.", 1)


def run(options) -> None:
    """Writes the features."""
    from keras_dim import serving
    from keras_dim import training

    given = vars(options)

    def chosen(*names):
        return {name: given[name] for name in names}

    if options.server is None:
        if options.model is not None or options.version is not None:
            raise ValueError("--model and --version belong to a --server.")
        encoder = training.load_encoder(options.encoder)
        opened = contextlib.nullcontext(encoder)
    elif options.model is None:
        raise ValueError("--server needs --model, the encoder's name there.")
    else:
        of_client = chosen("model", "version", "batch_size", "timeout")
        opened = serving.Client(options.server, **of_client)
    arguments = chosen("source", "output", "feature", "batch_size", "split")
    arguments |= chosen("num_shards", "worker", "num_workers")
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
        line += f"; {result['num_passed_over']:,} shards were there"
    print(line)
