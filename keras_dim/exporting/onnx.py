"""ONNX files."""

import pathlib

import keras
import tensorflow as tf

from keras_dim.exporting import signatures
from keras_dim.exporting import single_file

# The newest that tf2onnx writes.
OPSET = 18


def write(encoder: keras.Model, path: pathlib.Path) -> pathlib.Path:
    """Writes an ONNX file; see `keras_dim.export`."""
    runtimes = {"onnxruntime": ("onnxruntime", run)}
    return single_file.write(encoder, path, ".onnx", _convert, runtimes)


def run(path, images):
    """Runs ONNX Runtime on the processor."""
    import onnxruntime

    session = onnxruntime.InferenceSession(
        str(path), providers=["CPUExecutionProvider"]
    )
    names = [output.name for output in session.get_outputs()]
    (images_name,) = [value.name for value in session.get_inputs()]
    values = session.run(names, {images_name: images})
    return dict(zip(names, values, strict=True))


def _convert(encoder, path):
    try:
        import tf2onnx
    except ImportError as error:
        raise ImportError(
            "ONNX files are written by tf2onnx, which is not installed: "
            'pip install "keras-dim[onnx]"'
        ) from error
    signature = signatures.native(encoder)
    tf2onnx.convert.from_function(
        tf.function(signature.function, [signature.spec]),
        [signature.spec],
        opset=OPSET,
        output_path=str(path),
    )
