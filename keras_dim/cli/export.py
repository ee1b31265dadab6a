"""Exports an encoder as SavedModel, LiteRT or ONNX, which need no keras_dim.

--output is the folder of the model, such as models/digits, in which the next
version is written; for LiteRT and ONNX it is the file. The flags' names can be
left out: `keras-dim export ENCODER PATH`.
"""

import argparse
import json

from keras_dim.cli import flags
from keras_dim.cli import messages


def define(parser: flags.Parser) -> None:
    """Adds the arguments."""
    for name, metavar, help in (
        ("encoder", "ENCODER", ""),
        ("output", "PATH", "A model's folder may exist."),
    ):
        parser.add(name, help)
        parser.add_argument(
            name,
            metavar=metavar,
            help=f"--{name}",
            nargs="?",
            # Any other default would replace the value of the flag.
            default=argparse.SUPPRESS,
        )
    parser.add("format", "saved_model, litert or onnx.", "saved_model")


def run(options) -> None:
    """Exports, and prints how far the features differ in each runtime."""
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
