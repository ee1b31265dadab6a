"""SavedModels in the folders that TensorFlow Serving looks for."""

import pathlib

import keras

from keras_dim import files
from keras_dim.exporting import parity
from keras_dim.exporting import serving_files
from keras_dim.exporting import signatures


def write(encoder: keras.Model, path: pathlib.Path) -> pathlib.Path:
    """Writes a version of a model; see `keras_dim.export`."""
    folder, version = _folder_and_version(path)
    endpoints = {
        "serving_default": signatures.any_size(encoder),
        "native": signatures.native(encoder),
    }
    if encoded := signatures.encoded(encoder):
        endpoints["encoded_images"] = encoded
    with files.atomic_folder(folder / str(version)) as temporary:
        signatures.save(encoder, endpoints, temporary)
        serving_files.write_warmup(temporary, encoder, folder.name)
        report = parity.report_on_saved_model(encoder, temporary)
        files.write_json(temporary / parity.REPORT, report)
    # A failed export must leave none.
    serving_files.write_configs(folder)
    return folder / str(version)


def _folder_and_version(path):
    # An absolute path has a name even if "models/." was typed.
    path = pathlib.Path(path).absolute()
    if path.name.isdecimal() and path.name.isascii():
        if str(int(path.name)) != path.name or path.name == "0":
            raise ValueError(
                "Versions are numbers from 1 on, without leading zeros. "
                f"Received: {path.name!r}"
            )
        return path.parent, int(path.name)
    if path.exists() and not path.is_dir():
        raise ValueError(
            f"Expected the folder of a model. Received: {str(path)!r}, which "
            "is a file"
        )
    versions = [
        int(entry.name)
        for entry in (path.iterdir() if path.is_dir() else ())
        if entry.name.isdecimal() and entry.name.isascii()
    ]
    return path, max(versions, default=0) + 1
