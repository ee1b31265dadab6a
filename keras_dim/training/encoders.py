"""Loads trained encoders from runs, files and presets."""

import os
import pathlib

import keras
from absl import logging

from keras_dim import catalog
from keras_dim import checks
from keras_dim import layers
from keras_dim import model_files
from keras_dim import presets
from keras_dim.layers import norm
from keras_dim.methods import base
from keras_dim.training import checkpoints
from keras_dim.training import run_folder


def in_float32(encoder: keras.Model) -> keras.Model:
    """Returns a copy of a functional encoder, in float32 and for one device.

    The copy can be saved and loaded with Keras alone, whatever the precision
    and the strategy of the training.
    """
    encoder = layers.split_batch_norms(encoder, None)
    config = norm.on_one_device(encoder.get_config())
    config = norm.replaced(config, ("DTypePolicy",), lambda policy: "float32")
    copy = type(encoder).from_config(config)
    copy.set_weights(encoder.get_weights())
    return copy


def load_encoder(where: str | os.PathLike) -> keras.Model:
    """Loads an encoder from a run, a file or a preset.

    Args:
        where: str or path. The folder of a run or of a preset, a `.keras`
            file of an encoder or of a whole method, or a preset's name. Of a
            run that has not finished, the last checkpoint is loaded, with a
            warning.

    Returns:
        `keras.Model`, not compiled.

    Raises:
        FileNotFoundError: if there is no such file, folder or preset.
        ValueError: for a folder without an encoder, and a file that
            `model_files.load_model` refuses.
    """
    path = pathlib.Path(where)
    if path.is_dir():
        folder, path = path, path / run_folder.ENCODER
        if not path.is_file():
            return _of_unfinished_run(folder)
    if path.is_file():
        model = model_files.load_model(path)
        is_method = isinstance(model, base.SelfSupervisedModel)
        return in_float32(model.encoder) if is_method else model
    name = os.fspath(where)
    names = [preset["name"] for preset in presets.list_pretrained()]
    if name in names or name in catalog.STAND_INS:
        return presets.pretrained(name)
    near = checks.did_you_mean(name, names) or checks.did_you_mean_path(path)
    raise FileNotFoundError(
        f"There is no run, no file and no preset {name!r}.{near} The presets "
        f"are {names}."
    )


def _of_unfinished_run(folder):
    """Returns the encoder of the last checkpoint."""
    if not (folder / run_folder.RECIPE).is_file():
        raise ValueError(
            f"There is no {run_folder.ENCODER} in {folder}: it is neither a "
            "run nor a preset"
        )
    saved = folder / run_folder.CHECKPOINTS
    model, (epochs, steps) = checkpoints.load_latest(saved)
    if model is None:
        raise ValueError(
            f"The run in {folder} has not finished and has no checkpoint yet. "
            f"Go on with: keras-dim pretrain --resume --directory {folder}"
        )
    more = f" and {steps:,} steps" if steps else ""
    logging.warning(
        f"The run in {folder} has not finished. Loaded its encoder after "
        f"{epochs:,} epochs{more}"
    )
    return in_float32(model.encoder)
