"""Compares the features of an export with those of its encoder."""

import contextlib
import importlib
import math
import os
import pathlib
from collections.abc import Callable
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from absl import logging

from keras_dim import checks
from keras_dim import encoders
from keras_dim.exporting import signatures

REPORT = "export_report.json"
# For float32, as runtimes add in different orders.
TOLERANCE = 1e-5
NUM_IMAGES = 4


def report_path(path: pathlib.Path) -> pathlib.Path:
    """Returns the path of the report on an exported folder or file."""
    if path.is_dir():
        return path / REPORT
    return path.with_name(f"{path.name}.{REPORT}")


@contextlib.contextmanager
def _no_telemetry():
    """Keeps OpenVINO from sending telemetry, which it does not under a CI.

    Otherwise it would, from a fork of this process, when it is imported and
    when it converts a model.
    """
    before = os.environ.get("CI")
    os.environ["CI"] = "true"
    try:
        yield
    finally:
        del os.environ["CI"]
        if before is not None:
            os.environ["CI"] = before


@_no_telemetry()
def report(
    encoder: keras.Model,
    runtimes: Mapping[str, tuple[str, Callable]],
    path: pathlib.Path,
) -> dict[str, Any]:
    """Compares features of an export with the encoder's, runtime by runtime.

    The images are random pixels with seed 0. The difference of a feature is
    the largest absolute difference of its values, divided by the largest
    absolute value; NaN never agrees. A runtime that disagrees or fails is
    warned about: others may read the file well. An error of TensorFlow is
    raised.

    Args:
        encoder: `keras.Model`.
        runtimes: mapping from a runtime's name to its package and a function
            of the path and the images, which returns a dict of features.
        path: path. The export.

    Returns:
        dict. `"images"`, `"tolerance"` and `"runtimes"`: for each runtime
        `"version"`, `"differences"` of every feature and `"agrees"`; or
        `"version"` and `"failed"`, the reason; or `"not_run"`, the reason.
    """
    height, width, channels = encoder.inputs[0].shape[1:]
    shape = (NUM_IMAGES, height or 64, width or 64, channels)
    images = np.random.default_rng(0).integers(256, size=shape, dtype="uint8")
    if (values := encoders.value_range(encoder)) is not None:
        images = values.example(NUM_IMAGES, shape[1:3])
    native, _ = signatures.signatures_of(encoder)["native"]
    expected = {name: value.numpy() for name, value in native(images).items()}
    found = {}
    for name, (package, run) in runtimes.items():
        try:
            module = importlib.import_module(package)
        except ImportError:
            found[name] = {"not_run": f"{package} is not installed"}
            continue
        # A distribution has no version here: several provide `onnxruntime`.
        found[name] = {"version": getattr(module, "__version__", "unknown")}
        try:
            features = run(path, images)
        except Exception as error:
            if package == "tensorflow":
                raise
            reason = f"{type(error).__name__}: {checks.in_one_line(error)}"
            found[name]["failed"] = reason
            logging.warning(
                "%s does not run the exported encoder: %s", name, reason
            )
            continue
        differences = _differences(expected, features)
        # `max` would overlook NaN.
        agrees = all(x <= TOLERANCE for x in differences.values())
        found[name] |= {"differences": differences, "agrees": agrees}
        if not agrees:
            logging.warning(
                "By %s, the exported encoder has other features than the "
                "encoder. Differences, divided by the largest value: %s",
                name,
                differences,
            )
    return {
        "images": f"{NUM_IMAGES} of random pixels, seed 0",
        "tolerance": TOLERANCE,
        "runtimes": found,
    }


def _run_saved_model(folder, images):
    """Runs TensorFlow, without Keras."""
    loaded = tf.saved_model.load(folder)
    features = loaded.signatures["native"](images=tf.constant(images))
    return {name: value.numpy() for name, value in features.items()}


def _run_openvino(folder, images):
    """Runs OpenVINO in float32, also where it would choose fewer bits."""
    import openvino

    # The function alone does not keep its variables alive.
    loaded = tf.saved_model.load(folder)
    compiled = openvino.compile_model(
        # OpenVINO cannot resize as the other signatures do.
        openvino.convert_model(loaded.signatures["native"]),
        "CPU",
        {"INFERENCE_PRECISION_HINT": "f32"},
    )
    found = compiled(images)
    names = loaded.signatures["native"].structured_outputs
    # A tensor has both names where two features are one tensor.
    return {
        name: found[output]
        for output in compiled.outputs
        for name in output.names
        if name in names
    }


SAVED_MODEL = {
    "tf.saved_model.load": ("tensorflow", _run_saved_model),
    "openvino": ("openvino", _run_openvino),
}


def worst(differences: Mapping[str, float]) -> float:
    """Returns the largest difference, or NaN if there is one."""
    return max(differences.values(), key=lambda x: (math.isnan(x), x))


def _differences(expected, found):
    if set(found) != set(expected):
        raise RuntimeError(
            "The exported encoder has lost features. Expected "
            f"{sorted(expected)}. Received: {sorted(found)}"
        )
    return {
        name: float(
            np.abs(np.float64(found[name]) - value).max()
            / max(np.abs(value).max(), np.finfo("float32").tiny)
        )
        for name, value in expected.items()
    }
