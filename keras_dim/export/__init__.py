"""Encoders as files that run without keras_dim."""

import os
import pathlib

import keras
from keras import ops

from keras_dim import files

FORMATS = ("saved_model",)


def export(
    encoder: keras.Model,
    path: str | os.PathLike,
    format: str = "saved_model",
) -> pathlib.Path:
    """Writes an encoder in a form that serves without keras_dim.

    `"saved_model"` is what TensorFlow Serving loads. Its endpoint
    `serving_default` takes `images`, `uint8` of the encoder's own size with
    any number of rows, and returns a dict of every named feature in float32
    (of one named `"output"`, where the encoder's output has no names). It is
    loaded by TensorFlow alone, with `tf.saved_model.load`.

    Args:
        encoder: `keras.Model`. A built model with one input, the images, and
            one output or a dict of named outputs.
        path: str or path. The folder to be made, e.g. `"models/digits/1"`. It
            comes to be whole or not at all.
        format: str. One of `"saved_model"`. Defaults to `"saved_model"`.

    Returns:
        The path of the folder.

    Raises:
        ValueError: for an unknown format, for a model that is not an encoder,
            and when there is something at `path` already.

    Example:
    ```python
    keras_dim.export(model.encoder, "models/digits/1")

    loaded = tf.saved_model.load("models/digits/1")
    loaded.signatures["serving_default"](images=images)["global"]
    ```
    """
    if format not in FORMATS:
        raise ValueError(
            f"Unknown format. Expected one of {list(FORMATS)}. Received: "
            f"{format!r}"
        )
    shape = _image_shape(encoder)
    path = pathlib.Path(path)
    with files.atomic_folder(path) as temporary:
        _write_saved_model(encoder, shape, temporary)
    return path


def _write_saved_model(
    encoder: keras.Model, shape: tuple[int | None, ...], folder: pathlib.Path
) -> None:
    def serve(images):
        images = ops.cast(images, encoder.inputs[0].dtype)
        outputs = encoder(images, training=False)
        if isinstance(outputs, list | tuple):
            raise ValueError(
                "An encoder's output must be one tensor or a dict of named "
                f"tensors. Received a list of {len(outputs)}."
            )
        if not isinstance(outputs, dict):
            outputs = {"output": outputs}
        return {
            name: ops.cast(value, "float32") for name, value in outputs.items()
        }

    archive = keras.export.ExportArchive()
    archive.track(encoder)
    archive.add_endpoint(
        name="serving_default",
        fn=serve,
        input_signature=[
            keras.InputSpec(shape=shape, dtype="uint8", name="images")
        ],
    )
    archive.write_out(str(folder), verbose=False)


def _image_shape(encoder: keras.Model) -> tuple[int | None, ...]:
    inputs = getattr(encoder, "inputs", None)
    if not isinstance(encoder, keras.Model) or not inputs or len(inputs) != 1:
        raise ValueError(
            "Only a built keras.Model with one input, the images, can be "
            f"exported. Received: {type(encoder).__name__} with "
            f"{len(inputs or [])} known inputs. Of a method, pass "
            "`model.encoder`."
        )
    return (None, *inputs[0].shape[1:])
