"""Loads trained encoders from runs, files and presets."""

import os
import pathlib

import keras

from keras_dim import layers
from keras_dim import model_files
from keras_dim import presets
from keras_dim.methods import base
from keras_dim.presets import registry
from keras_dim.training.run_folder import ENCODER
from keras_dim.training.run_folder import RECIPE


def in_float32(encoder: keras.Model) -> keras.Model:
    """Returns a copy of an encoder that computes in float32 on one device.

    The weights are the same. Precision and batch norms are reset, whichever
    precision and strategy it was trained with, so that it loads wherever
    Keras is installed.

    Args:
        encoder: functional `keras.Model`.
    """

    def converted(layer):
        config = layer.get_config()
        if isinstance(layer, keras.layers.Layer):
            # Operations of `keras.ops` have no dtype.
            config["dtype"] = "float32"
        if "synchronized" in config:
            config["synchronized"] = False
        return type(layer).from_config(config)

    encoder = layers.split_batch_norms(encoder, None)
    copy = keras.models.clone_model(encoder, clone_function=converted)
    copy.set_weights(encoder.get_weights())
    return copy


def load_encoder(where: str | os.PathLike) -> keras.Model:
    """Loads an encoder from a run, a file or a preset.

    Args:
        where: str or path. The folder of a run or of a preset, a `.keras`
            file of an encoder or of a whole method, or a preset's name.

    Returns:
        `keras.Model`, not compiled.

    Raises:
        FileNotFoundError: if there is no such file or folder, nor such a
            preset.
        ValueError: if the folder holds no encoder, or the file no model, is
            damaged or would run code: see `model_files.load_model`.

    Example:
    ```python
    encoder = load_encoder("runs/deep_infomax_digits")
    ```
    """
    path = pathlib.Path(where)
    if path.is_dir():
        if not (path / ENCODER).is_file():
            hint = (
                ". Its run has not finished: resume it with `keras-dim "
                f"pretrain --resume --directory {path}`"
                if (path / RECIPE).is_file()
                else ": it is neither a run nor a preset"
            )
            raise ValueError(f"There is no {ENCODER} in {path}{hint}")
        path = path / ENCODER
    if path.is_file():
        return _load_file(path)
    name = os.fspath(where)
    names = [preset["name"] for preset in presets.list_pretrained()]
    if name in names or name in registry.STAND_INS:
        return presets.pretrained(name)
    known = f"The presets are {names}." if names else "There are no presets."
    raise FileNotFoundError(
        f"There is no run, no file and no preset {name!r}. {known}"
    )


def _load_file(path: pathlib.Path) -> keras.Model:
    model = model_files.load_model(path)
    if isinstance(model, base.SelfSupervisedModel):
        return in_float32(model.encoder)
    return model
