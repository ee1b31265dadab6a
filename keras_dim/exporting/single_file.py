"""What exports to one file have in common."""

import contextlib
import pathlib
import tempfile
from collections.abc import Iterator

import keras

from keras_dim import files
from keras_dim.exporting import signatures


def check(path: pathlib.Path, suffix: str) -> None:
    """Refuses a path of another format, and one where something is."""
    if path.suffix != suffix:
        raise ValueError(
            f"The file's name must end in {suffix}. Received: {str(path)!r}"
        )
    files.refuse_existing(path)


@contextlib.contextmanager
def saved_model(encoder: keras.Model) -> Iterator[pathlib.Path]:
    """Yields a SavedModel with the signature `native` alone, for converters."""
    signature = signatures.native(encoder)
    archive = keras.export.ExportArchive()
    archive.track(encoder)
    archive.add_endpoint(
        "native", signature.function, input_signature=[signature.spec]
    )
    with tempfile.TemporaryDirectory() as folder:
        archive.write_out(folder, verbose=False)
        yield pathlib.Path(folder)
