"""Writes an encoder as a SavedModel, LiteRT or ONNX, which need no keras_dim.

PATH is the folder of the model, such as models/digits, in which the next
version is made; for LiteRT and ONNX the file.
"""

import argparse
import json

from keras_dim.cli import flags
from keras_dim.cli import messages


def define(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments."""
    parser.add_argument("encoder", metavar="ENCODER", help=flags.ENCODER)
    parser.add_argument("path", metavar="PATH", help="Where it is written.")
    formats = "saved_model, litert or onnx."
    flags.add(parser, "format", formats, "saved_model")


def run(options) -> None:
    """Writes the file or folder, and says how its features agree."""
    from keras_dim import training
    from keras_dim.exporting import export
    from keras_dim.exporting import parity

    encoder = training.load_encoder(options.encoder)
    written = export(encoder, options.path, options.format)
    report = json.loads(parity.report_path(written).read_text("utf-8"))
    rows = []
    for runtime, found in report["runtimes"].items():
        result = found.get("not_run")
        if "differences" in found:
            result = f"{parity.worst(found['differences']):.1e}"
        elif "failed" in found:
            result = f"failed: {found['failed']}"
        rows.append((runtime, found.get("version", "-"), result))
    print(messages.table(("read by", "version", "difference"), rows))
    print(f"\n{written}")
