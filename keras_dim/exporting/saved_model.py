"""SavedModels in the folders that TensorFlow Serving looks for."""

import pathlib
import textwrap

import keras
import numpy as np
import tensorflow as tf

from keras_dim import encoders
from keras_dim import files
from keras_dim.exporting import parity
from keras_dim.exporting import signatures

# Most images of several requests in one pass, if the server batches them.
_MAX_BATCH_SIZE = 64
# The server's settings. `base_path` is that of the official Docker image.
_CONFIGS = {
    "model.config": """\
        # tensorflow_model_server --model_config_file=THIS
        model_config_list {{
          config {{
            name: "{name}"
            base_path: "/models/{name}"
            model_platform: "tensorflow"
          }}
        }}
        """,
    "batching.config": """\
        # tensorflow_model_server --enable_batching
        #     --batching_parameters_file=THIS
        # Requests of several clients go through the encoder together. For
        # servers whose clients all use the signature "native": where a batch
        # has images of different sizes, or one that is no image, all of its
        # requests fail. Requests of more than max_batch_size images are
        # refused.
        max_batch_size {{ value: {max_batch_size} }}
        # How long a request waits for others.
        batch_timeout_micros {{ value: 2000 }}
        max_enqueued_batches {{ value: 100 }}
        # As many as the server has cores.
        num_batch_threads {{ value: 4 }}
        """,
}


def write(encoder: keras.Model, path: pathlib.Path) -> pathlib.Path:
    """Writes a version of a model; see `keras_dim.export`."""
    folder, version = _folder_and_version(path)
    functions = signatures.signatures_of(encoder)
    with files.atomic_folder(folder / str(version)) as temporary:
        signatures.save(encoder, functions, temporary)
        _write_warmup(temporary, encoder, functions, folder.name)
        report = parity.report(encoder, parity.SAVED_MODEL, temporary)
        files.write_json(temporary / parity.REPORT, report)
    # Last, so that a failed export leaves none. Edited ones are kept.
    name = folder.name.replace("\\", r"\\").replace('"', r"\"")
    for file, text in _CONFIGS.items():
        if not (folder / file).exists():
            text = textwrap.dedent(text).format(
                name=name, max_batch_size=_MAX_BATCH_SIZE
            )
            files.write_text(folder / file, text)
    return folder / str(version)


def _folder_and_version(path):
    # An absolute path has a name even if "models/." was typed.
    path = path.absolute()
    if path.suffix in (".onnx", ".tflite"):
        raise ValueError(
            "A SavedModel is a folder. For a file pass format='onnx' or "
            f"'litert' (--format onnx). Received: {str(path)!r}"
        )
    if _is_number(path.name):
        if str(int(path.name)) != path.name or path.name == "0":
            raise ValueError(
                "Versions are numbers from 1 on, without leading zeros. "
                f"Received: {path.name!r}"
            )
        return path.parent, int(path.name)
    if path.exists() and not path.is_dir():
        raise ValueError(
            f"Expected the folder of a model. Received a file: {str(path)!r}"
        )
    entries = path.iterdir() if path.is_dir() else ()
    versions = [int(e.name) for e in entries if _is_number(e.name)]
    return path, max(versions, default=0) + 1


def _is_number(name):
    return name.isdecimal() and name.isascii()


def _write_warmup(folder, encoder, functions, model_name):
    """Writes requests that a server runs before it takes others.

    The first request of a shape is slow, since TensorFlow plans for it.
    """
    height, width, channels = encoder.inputs[0].shape[1:]
    values = encoders.value_range(encoder)
    dtype = "uint8" if values is None else values.dtype
    # 64 pixels for an encoder of any size.
    image = np.zeros((height or 64, width or 64, channels), dtype)
    extra = folder / "assets.extra"
    extra.mkdir()
    path = extra / "tf_serving_warmup_requests"
    with tf.io.TFRecordWriter(str(path)) as file:
        for name, (_, spec) in functions.items():
            inputs = [np.stack([image] * n) for n in (1, _MAX_BATCH_SIZE)]
            if spec.dtype == tf.string:
                inputs = [np.array([tf.io.encode_png(image).numpy()])]
            for value in inputs:
                file.write(_warmup(model_name, name, spec.name, value))


def _warmup(model_name, signature_name, input_name, value):
    """Returns a `PredictionLog` of TensorFlow Serving, which has its request.

    It is encoded by hand, so that exports do not need tensorflow-serving-api,
    the package with its class.
    """
    tensor = tf.make_tensor_proto(value).SerializeToString()
    model = _field(1, model_name.encode()) + _field(3, signature_name.encode())
    inputs = _field(1, input_name.encode()) + _field(2, tensor)
    request = _field(1, model) + _field(2, inputs)
    return _field(6, _field(1, request))


def _field(number, content):
    """Returns a field of bytes in the format of protocol buffers."""
    size, rest = bytearray(), len(content)
    while rest > 127:
        size.append(rest & 127 | 128)
        rest >>= 7
    return bytes([number << 3 | 2, *size, rest]) + content
