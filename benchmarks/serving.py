"""Images a second and latency of an exported encoder, by runtime.

    python benchmarks/serving.py [--encoder PRESET_OR_RUN] [--seconds 5]

The encoder is exported as SavedModel, ONNX and LiteRT. Then TensorFlow,
OpenVINO (on the SavedModel's `native`), ONNX Runtime and LiteRT, as far as they
are installed, take turns on batches of 1, 8 and 64 images, on all cores and in
float32. A request is one batch, from a NumPy array to NumPy arrays of all
features, without a network. The default of `--encoder` is the untrained network
of Deep InfoMax for 32 pixels: speed does not depend on weights.
"""

import argparse
import importlib.util
import os
import pathlib
import statistics
import tempfile
import time

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
BATCH_SIZES = (1, 8, 64)
ROUNDS = 3


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--encoder")
    parser.add_argument("--seconds", type=float, default=5.0)
    arguments = parser.parse_args()
    import common

    import keras_dim
    from keras_dim import training

    if arguments.encoder:
        encoder = training.load_encoder(arguments.encoder)
    else:
        encoder = keras_dim.encoders.dim_convnet(image_size=32)
    print(common.machine())
    print(f"{arguments.encoder or 'dim_convnet, 32 pixels'}; float32")
    with tempfile.TemporaryDirectory() as folder:
        runtimes = open_runtimes(encoder, pathlib.Path(folder))
        print(
            f"{'batch':>6} {'runtime':14}{'images/s':>10}{'ratio':>7}"
            f"{'p50 ms':>9}{'p99 ms':>9}"
        )
        for batch_size in BATCH_SIZES:
            shape = (batch_size, *encoder.inputs[0].shape[1:])
            images = np.random.default_rng(0).integers(
                256, size=shape, dtype="uint8"
            )
            found = measure(runtimes, images, arguments.seconds / ROUNDS)
            for name, seconds in found.items():
                rates = {
                    key: batch_size / statistics.mean(value)
                    for key, value in found.items()
                }
                print(
                    f"{batch_size:6} {name:14}{rates[name]:10.0f}"
                    f"{rates[name] / rates['TensorFlow']:7.2f}"
                    f"{1e3 * np.percentile(seconds, 50):9.2f}"
                    f"{1e3 * np.percentile(seconds, 99):9.2f}",
                    flush=True,
                )


def measure(runtimes, images, seconds):
    """Returns the seconds of each request, by runtime."""
    for run in runtimes.values():
        run(images)
        run(images)
    found = {name: [] for name in runtimes}
    for _ in range(ROUNDS):
        for name, run in runtimes.items():
            end = time.perf_counter() + seconds
            while (start := time.perf_counter()) < end:
                run(images)
                found[name].append(time.perf_counter() - start)
    return found


def open_runtimes(encoder, folder):
    """Exports, and returns a function of images for each runtime."""
    import keras_dim

    saved_model = keras_dim.export(encoder, folder / "encoder")
    runtimes = {"TensorFlow": open_tensorflow(saved_model)}
    if has("openvino"):
        runtimes["OpenVINO"] = open_openvino(saved_model)
    if has("onnxruntime") and has("tf2onnx"):
        path = keras_dim.export(encoder, folder / "encoder.onnx", "onnx")
        runtimes["ONNX Runtime"] = open_onnx(path)
    if has("ai_edge_litert"):
        path = keras_dim.export(encoder, folder / "encoder.tflite", "litert")
        runtimes["LiteRT"] = open_litert(path)
    return runtimes


def open_tensorflow(path):
    import tensorflow as tf

    loaded = tf.saved_model.load(path)

    def run(images):
        # The function does not keep its variables alive; `loaded` does.
        features = loaded.signatures["native"](images=tf.constant(images))
        return {name: value.numpy() for name, value in features.items()}

    return run


def open_openvino(path):
    import openvino
    import tensorflow as tf

    loaded = tf.saved_model.load(path)
    compiled = openvino.compile_model(
        openvino.convert_model(loaded.signatures["native"]),
        "CPU",
        {"INFERENCE_PRECISION_HINT": "f32"},
    )
    return lambda images: list(compiled(images).values())


def open_onnx(path):
    import onnxruntime

    session = onnxruntime.InferenceSession(
        str(path), providers=["CPUExecutionProvider"]
    )
    (name,) = [value.name for value in session.get_inputs()]
    return lambda images: session.run(None, {name: images})


def open_litert(path):
    from ai_edge_litert import interpreter

    runner = interpreter.Interpreter(
        str(path), num_threads=os.cpu_count()
    ).get_signature_runner("native")
    return lambda images: runner(images=images)


def has(package):
    return importlib.util.find_spec(package) is not None


if __name__ == "__main__":
    main()
