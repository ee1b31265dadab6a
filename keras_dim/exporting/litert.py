"""LiteRT files, for phones and small devices."""

import pathlib
import tempfile

import keras
import tensorflow as tf

from keras_dim.exporting import signatures
from keras_dim.exporting import single_file


def write(encoder: keras.Model, path: pathlib.Path) -> pathlib.Path:
    """Writes a LiteRT file; see `keras_dim.export`."""
    runtimes = {"litert": ("ai_edge_litert", run)}
    return single_file.write(encoder, path, ".tflite", _convert, runtimes)


def run(path, images):
    """Runs LiteRT's own interpreter."""
    from ai_edge_litert import interpreter

    runner = interpreter.Interpreter(str(path)).get_signature_runner("native")
    return runner(images=images)


def _convert(encoder, path):
    native = {"native": signatures.native(encoder)}
    with tempfile.TemporaryDirectory() as folder:
        signatures.save(encoder, native, folder)
        converter = tf.lite.TFLiteConverter.from_saved_model(
            folder, signature_keys=["native"]
        )
        path.write_bytes(converter.convert())
