"""Saves an encoder in pieces of limited size, complete even if killed."""

import io
import json
import os
import pathlib
import re

import keras
import numpy as np

NAME = re.compile(r"encoder_(\d{8})_(\d+)_of_(\d+)\.bin")
JOINED = "encoder.keras"


def save(folder, encoder, weights, step, piece_bytes):
    """Writes an encoder in pieces, and then removes those of earlier steps.

    Kernels are written in float16, which is more precise than the bfloat16 of
    the training, and vectors in float32. Each piece is renamed when complete.

    Args:
        folder: path.
        encoder: functional `keras.Model`.
        weights: list of arrays, in the order of `encoder.weights`.
        step: int. The step after which these are the weights.
        piece_bytes: int. Most bytes of a piece.

    Returns:
        list of paths.
    """
    # Numbers beyond float16 become infinite, and are refused below.
    with np.errstate(over="ignore"):
        arrays = {
            f"weight_{n}": weight.astype("float16" if weight.ndim > 1 else "f4")
            for n, weight in enumerate(weights)
        }
    for name, array in arrays.items():
        if not np.all(np.isfinite(array)):
            raise ValueError(f"A number of {name} is not finite in float16")
    config = json.dumps(keras.saving.serialize_keras_object(encoder))
    file = io.BytesIO()
    np.savez(file, config=np.array(config), **arrays)
    content = file.getvalue()
    number = -(-len(content) // piece_bytes)
    size = -(-len(content) // number)
    folder = pathlib.Path(folder)
    old = [path for path in folder.iterdir() if NAME.fullmatch(path.name)]
    written = []
    for piece in range(number):
        path = folder / f"encoder_{step:08d}_{piece}_of_{number}.bin"
        temporary = folder / "encoder.tmp"
        temporary.write_bytes(content[piece * size : (piece + 1) * size])
        os.replace(temporary, path)
        written.append(path)
    for path in old:
        if path not in written:
            path.unlink()
    return written


def join(folder):
    """Joins the latest complete set of pieces to `encoder.keras`, in float32.

    Returns:
        path of the file.

    Raises:
        FileNotFoundError: if there is no complete set.
    """
    from keras_dim import training

    folder = pathlib.Path(folder)
    sets = {}
    for path in folder.iterdir():
        found = NAME.fullmatch(path.name)
        if found:
            step, piece, number = map(int, found.groups())
            sets.setdefault((step, number), {})[piece] = path
    whole = [key for key, pieces in sets.items() if len(pieces) == key[1]]
    if not whole:
        raise FileNotFoundError(f"{folder} holds no whole encoder")
    latest = max(whole)
    pieces = [sets[latest][piece].read_bytes() for piece in range(latest[1])]
    with np.load(io.BytesIO(b"".join(pieces))) as file:
        config = json.loads(str(file["config"]))
        weights = [file[f"weight_{n}"] for n in range(len(file.files) - 1)]
    encoder = keras.saving.deserialize_keras_object(config)
    encoder.set_weights([weight.astype("float32") for weight in weights])
    path = folder / JOINED
    training.in_float32(encoder).save(path)
    return path
