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

    `"saved_model"` is the layout of TensorFlow Serving: `path` is the model's
    folder, e.g. `"models/digits"`, which gets its next version, or that of a
    new version, e.g. `"models/digits/7"`. Each signature returns a dict of
    every named feature (`"output"`, where it has no name) in float32:

    * `serving_default` takes `images`, uint8 `(batch, height, width,
      channels)` of any size, and resizes them as `keras_dim.data.load` does;
    * `native` takes `images`, uint8, of the encoder's own size;
    * `encoded_images`, of encoders of grey or colour images alone, takes
      `encoded_images`, string `(batch,)`, the bytes of JPEG, PNG, still WebP or
      true-colour BMP files of at most 89,478,485 pixels.

    An encoder of stored values (`encoders.with_range`) takes these, of their
    own type, instead of uint8, and has no `encoded_images`.

    The version holds warm-up requests. Beside it lie the server's
    `model.config`, and `batching.config`, which is only for a server whose
    clients all use `native`. `"litert"` and `"onnx"` are one file for LiteRT
    and for ONNX Runtime, which takes `images` as `native` does; they need the
    extra of that name.

    Every export is loaded by those of its runtimes that are installed.
    `export_report.json` has the differences of their features from the
    encoder's. Relative differences above 1e-5, and runtimes that fail, are
    warned about.

    Args:
        encoder: `keras.Model`. A built model with one input, the images, and
            one output or a dict of named outputs.
        path: str or path. Folder, or file that ends in `.tflite` or `.onnx`,
            to be written, completely or not at all.
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
