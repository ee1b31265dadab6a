"""LiteRT files, for phones and small devices."""

import pathlib

import keras
import tensorflow as tf

from keras_dim import files
from keras_dim.exporting import parity
from keras_dim.exporting import single_file

SUFFIX = ".tflite"


def write(encoder: keras.Model, path: pathlib.Path) -> pathlib.Path:
    """Writes a LiteRT file; see `keras_dim.export`."""
    single_file.check(path, SUFFIX)
    with single_file.saved_model(encoder) as folder:
        converter = tf.lite.TFLiteConverter.from_saved_model(
            str(folder), signature_keys=["native"]
        )
        content = converter.convert()
    with files.atomic_path(path) as temporary:
        temporary.write_bytes(content)
        runtimes = {"litert": ("ai_edge_litert", run)}
        report = parity.report(encoder, runtimes, temporary)
    files.write_json(parity.report_path(path), report)
    return path


def run(path, images):
    """By LiteRT's own interpreter."""
    from ai_edge_litert import interpreter

    runner = interpreter.Interpreter(str(path)).get_signature_runner("native")
    return runner(images=images)
