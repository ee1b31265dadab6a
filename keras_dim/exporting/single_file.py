"""Exports of one file."""

import pathlib
from collections.abc import Callable
from collections.abc import Mapping

import keras

from keras_dim import files
from keras_dim.exporting import parity


def write(
    encoder: keras.Model,
    path: pathlib.Path,
    suffix: str,
    convert: Callable[[keras.Model, pathlib.Path], None],
    runtimes: Mapping[str, tuple[str, Callable]],
) -> pathlib.Path:
    """Writes a file, and beside it a report on its features.

    Args:
        encoder: `keras.Model`.
        path: path.
        suffix: str. The suffix that the path must have.
        convert: function of the encoder and a path, which it writes to.
        runtimes: mapping. See `parity.report`.

    Returns:
        `path`.

    Raises:
        ValueError: for a path with another suffix, or one that exists.
    """
    if path.suffix != suffix:
        raise ValueError(
            f"The file's name must end in {suffix}. Received: {str(path)!r}"
        )
    files.refuse_existing(path)
    with files.atomic_path(path) as temporary:
        convert(encoder, temporary)
        report = parity.report(encoder, runtimes, temporary)
    files.write_json(parity.report_path(path), report)
    return path
