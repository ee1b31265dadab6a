"""Embeds image files by Apache Beam, on any runner.

Writes Parquet files with the columns path and features, for pandas, Spark and
data warehouses. Beam writes the rows in any order. Files that cannot be decoded
are listed in skipped*.jsonl, with the reason. All other flags are those of
Beam, such as --runner and the flags of the runner.
"""

import argparse
import glob
import json
from collections.abc import Sequence

import apache_beam as beam
import pyarrow
from apache_beam.io import filesystems
from apache_beam.options import pipeline_options

from keras_dim import checks
from keras_dim.beam.embedding import Embed
from keras_dim.beam.embedding import ImageFiles
from keras_dim.beam.embedding import SavedModelHandler

_SCHEMA = pyarrow.schema(
    [("path", pyarrow.string()), ("features", pyarrow.list_(pyarrow.float32()))]
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the pipeline to its end; wrong arguments end with exit code 2."""
    parser = _parser()
    options, others = parser.parse_known_args(arguments)
    try:
        _check(options)
    except (ValueError, OSError) as error:
        parser.error(str(error))
    with beam.Pipeline(
        options=pipeline_options.PipelineOptions(others)
    ) as pipeline:
        embedded = (
            pipeline
            | ImageFiles(_pattern(options.source))
            | Embed(options.saved_model, options.feature, options.batch_size)
        )
        _ = (
            embedded.features
            | beam.MapTuple(
                lambda path, features: {"path": path, "features": features}
            )
            | beam.io.WriteToParquet(
                f"{options.output}/features",
                _SCHEMA,
                file_name_suffix=".parquet",
                num_shards=options.num_shards,
            )
        )
        _ = (
            embedded.skipped
            | beam.MapTuple(
                lambda path, reason: json.dumps(
                    {"path": path, "reason": reason}
                )
            )
            | beam.io.WriteToText(
                f"{options.output}/skipped", file_name_suffix=".jsonl"
            )
        )


def _parser():
    parser = argparse.ArgumentParser(
        "python -m keras_dim.beam",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )

    saved_model = (
        "The folder of an exported version, such as models/digits/1; every "
        "worker must be able to read it."
    )
    files = "A folder of images, at any depth, or a pattern: 'photos/*.png'."
    shards = "The number of Parquet files (default: the runner chooses)."
    batch = "Most images at a time (default: 64)."
    feature = "The feature (default: global)."
    parser.add_argument("--saved_model", required=True, help=saved_model)
    parser.add_argument("--source", required=True, help=files)
    parser.add_argument("--output", required=True, help="The folder to write.")
    parser.add_argument("--feature", default="global", help=feature)
    parser.add_argument("--batch_size", type=int, default=64, help=batch)
    parser.add_argument("--num_shards", type=int, default=0, help=shards)
    return parser


def _check(options):
    """Raises an error for wrong arguments before the pipeline starts."""
    checks.integers(1, **{"--batch_size": options.batch_size})
    checks.integers(0, **{"--num_shards": options.num_shards})
    SavedModelHandler(options.saved_model, options.feature, 1).load_model()
    if not _matches(_pattern(options.source)):
        raise ValueError(
            f"There is no file or folder with files {options.source!r}, and "
            "no file matches it."
        )
    if _matches(f"{options.output}/**"):
        raise ValueError(
            f"Nothing is overwritten, and there are files in {options.output}: "
            "choose a new folder, or delete them first."
        )


def _pattern(source):
    """Returns the pattern of all files in a folder; else `source` itself."""
    in_folder = f"{source.rstrip('/')}/**"
    is_folder = not glob.has_magic(source) and _matches(in_folder)
    return in_folder if is_folder else source


def _matches(pattern):
    (found,) = filesystems.FileSystems.match([pattern], limits=[1])
    return found.metadata_list


if __name__ == "__main__":
    main()
