"""Encoders as files that run without keras_dim."""

import importlib
import os
import pathlib

import keras

# Format -> the module that writes it, which is loaded when it is asked for:
# what it needs is not needed to train.
FORMATS = {
    "saved_model": "keras_dim.exporting.saved_model",
    "litert": "keras_dim.exporting.litert",
    "onnx": "keras_dim.exporting.onnx",
}


def export(
    encoder: keras.Model,
    path: str | os.PathLike,
    format: str = "saved_model",
) -> pathlib.Path:
    """Writes an encoder in a form that serves without keras_dim.

    `"saved_model"` is what TensorFlow Serving loads, a folder for the model
    and in it one for each version: `path` is the model's, e.g.
    `"models/digits"`, and the next version is written; or it ends in the
    number of a version that is not there yet, e.g. `"models/digits/7"`. Each
    of its signatures returns a dict of every named feature in float32 (of one
    named `"output"`, where the encoder's output has no names):

    * `serving_default` takes `images`, uint8
      `(batch, height, width, channels)` of any size, and resizes them as
      `keras_dim.data.load` does;
    * `native` takes `images`, uint8, of the encoder's own size;
    * `encoded_images` takes `encoded_images`, string `(batch,)`, the bytes of
      JPEG, PNG, WebP or BMP files. It is there for encoders of grey or colour
      images, and refuses animated WebP, bitmaps with a palette, and by their
      headers images of more than 89,478,485 pixels.

    The version holds requests by which a server warms up. Beside it lie
    `model.config` for the server's flag `--model_config_file`, and
    `batching.config` for `--batching_parameters_file`, which is only for a
    server that is asked for `native` alone: in a batch of several requests
    all fail where images differ in size or one is no image. The variables of
    what `tf.saved_model.load` returns are in its `trainable_variables`, and
    gradients flow to them.

    `"litert"` is a file for phones and small devices, `"onnx"` one for ONNX
    Runtime and others; `path` ends in `.tflite` or `.onnx`. Both take `images`
    as `native` does. They need an extra: `pip install "keras-dim[litert]"` or
    `"keras-dim[onnx]"`.

    Every export is read back by those of its runtimes that are installed, and
    `export_report.json` beside it says how far the features of each are from
    the encoder's, see `keras_dim.exporting.parity`. A warning tells of those
    that are not equal to 1e-5, and of runtimes that fail.

    Args:
        encoder: `keras.Model`. A built model with one input, the images, and
            one output or a dict of named outputs.
        path: str or path. Folder or file to be made. It comes to be whole or
            not at all.
        format: str. `"saved_model"`, `"litert"` or `"onnx"`. Defaults to
            `"saved_model"`.

    Returns:
        The path of what was written: of the version's folder, or the file.

    Raises:
        ValueError: for an unknown format, for a model that is not an encoder,
            and when there is something at `path` already.
        ImportError: if an extra is not installed, or Keras runs on another
            backend than TensorFlow.

    Example:
    ```python
    keras_dim.export(model.encoder, "models/digits")

    loaded = tf.saved_model.load("models/digits/1")
    loaded.signatures["serving_default"](images=images)["global"]
    ```
    """
    if format not in FORMATS:
        raise ValueError(
            f"Unknown format. Expected one of {list(FORMATS)}. Received: "
            f"{format!r}"
        )
    _check(encoder)
    if keras.backend.backend() != "tensorflow":
        raise ImportError(
            "Encoders are exported by TensorFlow. Received: Keras on "
            f"{keras.backend.backend()!r}. Save the encoder as a .keras file, "
            "and export that one where KERAS_BACKEND is 'tensorflow'."
        )
    writer = importlib.import_module(FORMATS[format])
    return writer.write(encoder, pathlib.Path(path))


def _check(encoder) -> None:
    inputs = getattr(encoder, "inputs", None)
    if not isinstance(encoder, keras.Model) or not inputs or len(inputs) != 1:
        raise ValueError(
            "Only a built keras.Model with one input, the images, can be "
            f"exported. Received: {type(encoder).__name__} with "
            f"{len(inputs or [])} known inputs. Of a method, pass "
            "`model.encoder`."
        )
    shape = inputs[0].shape
    if len(shape) != 4 or shape[-1] is None:
        raise ValueError(
            "An encoder must take images, (batch, height, width, channels), "
            "with a known number of channels, as keras.Input((None, None, 3)) "
            f"is. Received a model that takes the shape {tuple(shape)}."
        )
    # A Sequential that was not called has none, though it has `outputs`.
    output = getattr(encoder, "output", None)
    if isinstance(output, list | tuple):
        raise ValueError(
            "An encoder's output must be one tensor or a dict of named "
            f"tensors. Received a list of {len(output)}."
        )
