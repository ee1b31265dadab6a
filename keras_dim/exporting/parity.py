"""How far the features of an exported encoder are from the encoder's own."""

import importlib
import math
import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from absl import logging

REPORT = "export_report.json"
# Of float32, between runtimes that add up in another order.
TOLERANCE = 1e-5
NUM_IMAGES = 4
# Of why a runtime failed.
_LONGEST_REASON = 300


def report_path(path: pathlib.Path) -> pathlib.Path:
    """Returns where the report on an exported folder or file is."""
    if path.is_dir():
        return path / REPORT
    return path.with_name(f"{path.name}.{REPORT}")


def report_on_saved_model(
    encoder: keras.Model, folder: pathlib.Path
) -> dict[str, Any]:
    """Runs a SavedModel by all that reads such, and compares; see `report`.

    What TensorFlow itself cannot load is no SavedModel, and raises.
    """
    return report(
        encoder,
        {
            "tf.saved_model.load": ("tensorflow", run_saved_model),
            "saved_model_cli": ("tensorflow", run_saved_model_cli),
            "openvino": ("openvino", run_openvino),
        },
        folder,
        required=("tf.saved_model.load",),
    )


def report(
    encoder: keras.Model,
    runtimes: Mapping[str, tuple[str, Callable]],
    path: pathlib.Path,
    required: Collection[str] = (),
) -> dict[str, Any]:
    """Compares the features that runtimes compute with the encoder's.

    Of random pixels, seed 0. The difference of a feature is the largest one
    of all its values, as a share of the feature's largest value; NaN agrees
    with nothing. A warning tells of runtimes that disagree, and of those that
    fail: another reader of the file may do well.

    Args:
        encoder: `keras.Model`.
        runtimes: mapping from a runtime's name to the package that holds it
            and a function of the file's path and the images, which returns
            a dict of features.
        path: path. Of what was exported.
        required: collection of str. The names of runtimes whose errors are
            raised. Defaults to `()`.

    Returns:
        dict. `"images"`, `"tolerance"` and `"runtimes"`: for each
        `"version"`, `"differences"` of every feature and `"agrees"`; or
        `"version"` and `"failed"`, the reason; or `"not_run"`, the reason.

    Raises:
        RuntimeError: if a runtime reads the file and finds other features.
    """
    height, width, channels = encoder.inputs[0].shape[1:]
    shape = (NUM_IMAGES, height or 64, width or 64, channels)
    images = np.random.default_rng(0).integers(256, size=shape, dtype="uint8")
    outputs = encoder(tf.cast(images, encoder.inputs[0].dtype), training=False)
    if not isinstance(outputs, dict):
        outputs = {"output": outputs}
    expected = {
        name: tf.cast(value, tf.float32).numpy()
        for name, value in outputs.items()
    }
    found = {}
    for name, (package, run) in runtimes.items():
        try:
            module = importlib.import_module(package)
        except ImportError:
            found[name] = {"not_run": f"{package} is not installed"}
            continue
        # Several distributions may provide a module, as they do onnxruntime.
        version = getattr(module, "__version__", "unknown")
        try:
            features = run(path, images)
        except Exception as error:
            if name in required:
                raise
            reason = _one_line(error)
            found[name] = {"version": version, "failed": reason}
            logging.warning(
                "%s does not run the exported encoder: %s", name, reason
            )
            continue
        differences = _differences(expected, features)
        found[name] = {
            "version": version,
            "differences": differences,
            # Of NaN and others, `max` is the one or the other.
            "agrees": all(x <= TOLERANCE for x in differences.values()),
        }
        if not found[name]["agrees"]:
            logging.warning(
                "By %s, features of the exported encoder differ from its own: "
                "%s",
                name,
                differences,
            )
    return {
        "images": f"{NUM_IMAGES} of random pixels, seed 0",
        "tolerance": TOLERANCE,
        "runtimes": found,
    }


def run_saved_model(folder, images):
    """By TensorFlow, without Keras."""
    loaded = tf.saved_model.load(folder)
    features = loaded.signatures["native"](images=tf.constant(images))
    return {name: value.numpy() for name, value in features.items()}


def run_saved_model_cli(folder, images):
    """By TensorFlow's command, in a process of its own."""
    with tempfile.TemporaryDirectory() as scratch:
        np.save(f"{scratch}/images.npy", images)
        process = subprocess.run(
            [
                sys.executable,
                "-m",
                "tensorflow.python.tools.saved_model_cli",
                "run",
                f"--dir={folder}",
                "--tag_set=serve",
                "--signature_def=native",
                f"--inputs=images={scratch}/images.npy",
                f"--outdir={scratch}/features",
            ],
            capture_output=True,
            text=True,
            errors="replace",
        )
        if process.returncode:
            # Of a traceback the last line is the error.
            lines = process.stderr.strip().splitlines() or ["no words"]
            raise RuntimeError(
                f"exit code {process.returncode}, {lines[-1].strip()}"
            )
        return {
            path.stem: np.load(path, allow_pickle=False)
            for path in pathlib.Path(scratch, "features").glob("*.npy")
        }


def run_openvino(folder, images):
    """By OpenVINO, in float32 where the processor would rather take less."""
    import openvino

    # Held, since a function does not hold the variables it reads.
    loaded = tf.saved_model.load(folder)
    compiled = openvino.compile_model(
        # The resizing of the other signatures is no operation of OpenVINO's.
        openvino.convert_model(loaded.signatures["native"]),
        "CPU",
        {"INFERENCE_PRECISION_HINT": "f32"},
    )
    found = compiled(images)
    names = loaded.signatures["native"].structured_outputs
    # Two features may be one tensor, which then has both names.
    return {
        name: found[output]
        for output in compiled.outputs
        for name in output.names
        if name in names
    }


def worst(differences: Mapping[str, float]) -> float:
    """Returns the largest difference, or NaN if there is one."""
    return max(differences.values(), key=lambda x: (math.isnan(x), x))


def _one_line(error: Exception) -> str:
    words = " ".join(f"{type(error).__name__}: {error}".split())
    if len(words) > _LONGEST_REASON:
        words = f"{words[:_LONGEST_REASON]}..."
    return words


def _differences(
    expected: Mapping[str, np.ndarray], found: Mapping[str, np.ndarray]
) -> dict[str, float]:
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
