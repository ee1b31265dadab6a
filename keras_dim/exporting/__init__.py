"""Writes encoders as files that run without keras_dim."""

import os
import pathlib

import keras

from keras_dim import checks
from keras_dim.encoders import features

FORMATS = ("saved_model", "litert", "onnx")


def export(
    encoder: keras.Model, path: str | os.PathLike, format: str = "saved_model"
) -> pathlib.Path:
    """Writes an encoder to files that run without keras_dim.

    `"saved_model"` is the format of TensorFlow Serving: a folder for the
    model, and in it a folder for each version. `path` is the model's folder,
    e.g. `"models/digits"`, which gets its next version; or the folder of a new
    version, e.g. `"models/digits/7"`. Each signature returns a dict of every
    named feature in float32 (`"output"`, where the output has no name):

    * `serving_default` takes `images`, uint8
      `(batch, height, width, channels)` of any size, and resizes them as
      `keras_dim.data.load` does;
    * `native` takes `images`, uint8, of the encoder's own size;
    * `encoded_images` takes `encoded_images`, string `(batch,)`, the bytes of
      JPEG, PNG, WebP or BMP files. Only exports of encoders of grey or colour
      images have it. It refuses animated WebP, bitmaps with a palette, and,
      by their headers, images of more than 89,478,485 pixels.

    The version holds warm-up requests for the server. Beside it lie
    `model.config` for the server's flag `--model_config_file`, and
    `batching.config` for `--batching_parameters_file`, which is only for a
    server whose clients all use `native`. What `tf.saved_model.load` returns
    can be trained further, by its `trainable_variables`.

    `"litert"` is a file for phones and small devices, `"onnx"` one for ONNX
    Runtime and others; `path` ends in `.tflite` or `.onnx`. Both take `images`
    as `native` does. They need an extra: `pip install "keras-dim[litert]"` or
    `"keras-dim[onnx]"`.

    Every export is read back by those of its runtimes that are installed.
    `export_report.json` beside it holds the differences of their features from
    the encoder's. Those above 1e-5 and runtimes that fail are warned about.

    Args:
        encoder: `keras.Model`. A built model with one input, the images, and
            one output or a dict of named outputs.
        path: str or path. Folder or file to write, wholly or not at all.
        format: str. One of `FORMATS`. Defaults to `"saved_model"`.

    Returns:
        path. The folder of the version, or the file.

    Raises:
        ValueError: for an unknown format, for a model that is not an encoder,
            and if `path` exists.
        ImportError: if an extra is not installed, or Keras runs on another
            backend than TensorFlow.

    Example:
    ```python
    keras_dim.export(model.encoder, "models/digits")

    loaded = tf.saved_model.load("models/digits/1")
    loaded.signatures["serving_default"](images=images)["global"]
    ```
    """
    checks.one_of(FORMATS, format=format)
    inputs = getattr(encoder, "inputs", None)
    if not isinstance(encoder, keras.Model) or not inputs or len(inputs) != 1:
        raise ValueError(
            "Only a built keras.Model with one input, the images, can be "
            f"exported. Received: {type(encoder).__name__} with "
            f"{len(inputs or [])} known inputs. For a method, pass its "
            "`encoder`."
        )
    shape = inputs[0].shape
    if len(shape) != 4 or shape[-1] is None:
        raise ValueError(
            "An encoder must take images, (batch, height, width, channels), "
            "with a known number of channels, such as keras.Input((None, "
            f"None, 3)). Received a model of the input shape {tuple(shape)}."
        )
    # A Sequential model before its first call has no `output`.
    features.named(getattr(encoder, "output", None))
    if keras.backend.backend() != "tensorflow":
        raise ImportError(
            f"Keras on {keras.backend.backend()!r} exports no encoders. Save a "
            ".keras file, and export it where KERAS_BACKEND is 'tensorflow'."
        )
    # Imported here, since they load TensorFlow.
    from keras_dim.exporting import saved_model
    from keras_dim.exporting import single_file

    if format == "saved_model":
        return saved_model.write(encoder, pathlib.Path(path))
    return single_file.write(encoder, pathlib.Path(path), format)
