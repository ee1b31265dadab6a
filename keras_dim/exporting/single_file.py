"""Exports of one file: LiteRT and ONNX."""

import pathlib
import tempfile

import keras
import tensorflow as tf

from keras_dim import files
from keras_dim.exporting import parity
from keras_dim.exporting import signatures

# The newest that tf2onnx writes.
_OPSET = 18


def write(
    encoder: keras.Model, path: pathlib.Path, format: str
) -> pathlib.Path:
    """Writes a file and a report beside it; see `keras_dim.export`."""
    suffix, convert, package, run = _FORMATS[format]
    if path.suffix != suffix:
        raise ValueError(
            f"The file's name must end in {suffix}. Received: {str(path)!r}"
        )
    files.refuse_existing(path)
    with files.atomic_path(path) as temporary:
        convert(encoder, temporary)
        runtimes = {package.replace("ai_edge_", ""): (package, run)}
        report = parity.report(encoder, runtimes, temporary)
    files.write_json(parity.report_path(path), report)
    return path


def run_litert(path, images):
    """Runs LiteRT's own interpreter."""
    from ai_edge_litert import interpreter

    runner = interpreter.Interpreter(str(path)).get_signature_runner("native")
    return runner(images=images)


def run_onnx(path, images):
    """Runs ONNX Runtime on the processor."""
    import onnxruntime

    session = onnxruntime.InferenceSession(
        str(path), providers=["CPUExecutionProvider"]
    )
    names = [output.name for output in session.get_outputs()]
    (images_name,) = [value.name for value in session.get_inputs()]
    values = session.run(names, {images_name: images})
    return dict(zip(names, values, strict=True))


def _convert_to_litert(encoder, path):
    native = signatures.signatures_of(encoder)["native"]
    with tempfile.TemporaryDirectory() as folder:
        signatures.save(encoder, {"native": native}, folder)
        converter = tf.lite.TFLiteConverter.from_saved_model(
            folder, signature_keys=["native"]
        )
        path.write_bytes(converter.convert())


def _convert_to_onnx(encoder, path):
    try:
        import tf2onnx
    except ImportError as error:
        raise ImportError(
            "ONNX files are written by tf2onnx, which is not installed: "
            'pip install "keras-dim[onnx]"'
        ) from error
    function, spec = signatures.signatures_of(encoder)["native"]
    tf2onnx.convert.from_function(
        tf.function(function, [spec]),
        [spec],
        opset=_OPSET,
        output_path=str(path),
    )


# By format: the file's suffix, the converter, the runtime's package, and it.
_FORMATS = {
    "litert": (".tflite", _convert_to_litert, "ai_edge_litert", run_litert),
    "onnx": (".onnx", _convert_to_onnx, "onnxruntime", run_onnx),
}
