"""Writes an encoder as a SavedModel, LiteRT or ONNX, which need no keras_dim.

ENCODER is the folder of a run, a .keras file, or a preset's name. PATH is the
folder of the model, such as models/digits, in which the next version is made;
for LiteRT and ONNX the file.
"""

import json

from absl import flags

from keras_dim.cli import messages

ARGUMENTS = ("ENCODER", "PATH")

# Repeated here, as importing them would import Keras before flags are read.
_FORMATS = ("saved_model", "litert", "onnx")


def define(values: flags.FlagValues) -> None:
    """Defines the flags."""
    flags.DEFINE_enum(
        "format",
        "saved_model",
        _FORMATS,
        f"What is written: {', '.join(_FORMATS)}.",
        flag_values=values,
    )


def run(options, encoder: str, path: str) -> None:
    """Writes the file or folder, and says how its features agree."""
    from keras_dim import training
    from keras_dim.exporting import export
    from keras_dim.exporting import parity

    written = export(training.load_encoder(encoder), path, options.format)
    report = json.loads(parity.report_path(written).read_text("utf-8"))
    rows = [
        (
            runtime,
            found.get("version", "-"),
            _result(found),
        )
        for runtime, found in report["runtimes"].items()
    ]
    print(messages.table(("read by", "version", "difference"), rows))
    print(f"\n{written}")


def _result(found):
    from keras_dim.exporting import parity

    if "differences" in found:
        return f"{parity.worst(found['differences']):.1e}"
    if "failed" in found:
        return f"failed: {found['failed']}"
    return found["not_run"]
