"""Writes an encoder as a SavedModel, LiteRT or ONNX, which need no keras_dim.

--output is the folder of the model, such as models/digits, in which the next
version is made; for LiteRT and ONNX the file. Both places can also be given
without the names of their flags: `keras-dim export ENCODER PATH`.
"""

import argparse
import json

from keras_dim.cli import flags
from keras_dim.cli import messages


def define(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments."""
    for name, metavar in (("encoder", "ENCODER"), ("output", "PATH")):
        flags.add(parser, name)
        # Given neither way, it must not hide the flag's value.
        same = {"nargs": "?", "default": argparse.SUPPRESS}
        parser.add_argument(name, metavar=metavar, help=f"--{name}", **same)
    formats = "saved_model, litert or onnx."
    flags.add(parser, "format", formats, "saved_model")


def run(options) -> None:
    """Writes the file or folder, and says how its features agree."""
    from keras_dim import training
    from keras_dim.exporting import export
    from keras_dim.exporting import parity

    for name in ("encoder", "output"):
        if getattr(options, name) is None:
            raise ValueError(f"`keras-dim export` needs --{name}")
    encoder = training.load_encoder(options.encoder)
    written = export(encoder, options.output, options.format)
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
