"""ONNX files."""

import pathlib

import keras
import tensorflow as tf

from keras_dim import files
from keras_dim.exporting import parity
from keras_dim.exporting import signatures
from keras_dim.exporting import single_file

SUFFIX = ".onnx"
# The newest that tf2onnx writes.
OPSET = 18


def write(encoder: keras.Model, path: pathlib.Path) -> pathlib.Path:
    """Writes an ONNX file; see `keras_dim.export`."""
    single_file.check(path, SUFFIX)
    try:
        import tf2onnx
    except ImportError as error:
        raise ImportError(
            "ONNX files are written by tf2onnx, which is not installed: "
            'pip install "keras-dim[onnx]"'
        ) from error
    signature = signatures.native(encoder)
    with files.atomic_path(path) as temporary:
        tf2onnx.convert.from_function(
            tf.function(signature.function, [signature.spec]),
            [signature.spec],
            opset=OPSET,
            output_path=str(temporary),
        )
        runtimes = {"onnxruntime": ("onnxruntime", run)}
        report = parity.report(encoder, runtimes, temporary)
    files.write_json(parity.report_path(path), report)
    return path


def run(path, images):
    """By ONNX Runtime, on the processor."""
    import onnxruntime

    session = onnxruntime.InferenceSession(
        str(path), providers=["CPUExecutionProvider"]
    )
    names = [output.name for output in session.get_outputs()]
    (images_name,) = [value.name for value in session.get_inputs()]
    values = session.run(names, {images_name: images})
    return dict(zip(names, values, strict=True))
