"""Data sets of the tensorflow-datasets catalogue, or prepared with it."""

import dataclasses
import os
import pathlib
import re
import socket
import urllib.request

import numpy as np
import tensorflow_datasets as tfds

from keras_dim import checks
from keras_dim.data.image_options import ImageOptions
from keras_dim.data.tfrecord import RecordSource
from keras_dim.data.tfrecord import open_file
from keras_dim.data.tfrecord import open_records

_CATALOGUE = "www.tensorflow.org"


def open_tensorflow_datasets(
    name: str, split: str | None, options: ImageOptions, data_dir: str | None
) -> RecordSource:
    """Opens a split of a data set, which is downloaded if it is not prepared.

    The name may have a configuration and a version, or be the folder of one
    prepared version.

    Raises:
        ValueError: for an unknown name or split, and a data set that is not of
            single uint8 images in TFRecord files.
        FileNotFoundError: if the data set is not prepared and cannot be
            downloaded.
    """
    # The package reads the variable only when it is imported.
    data_dir = data_dir or os.environ.get("TFDS_DATA_DIR")
    builder = _find_builder(name, data_dir)
    features = builder.info.features
    image_key = _only(features, tfds.features.Image, "image")
    label_key = _only(features, tfds.features.ClassLabel, "label")
    if image_key is None or features[image_key].np_dtype != np.uint8:
        raise ValueError(
            f"{builder.name} must have one uint8 image in each example. "
            f"Received the features {list(features)}"
        )
    if not builder.is_prepared():
        _prepare(builder)
    info = builder.info
    stored_as = info.file_format.value if info.file_format else "nothing"
    if stored_as != "tfrecord":
        raise ValueError(
            f"{info.full_name} must be stored in TFRecord files. Received: "
            f"{stored_as}"
        )
    try:
        instructions = info.splits[split].file_instructions
    except (ValueError, KeyError, AssertionError) as error:
        names = sorted(info.splits)
        raise ValueError(
            f"{info.name} has no split {split!r}: {checks.in_one_line(error)}"
            f"{checks.did_you_mean(split, names)} Its splits: "
            f"{', '.join(names)}; slices are written 'train[:10%]'."
        ) from None
    files = []
    for one in instructions:
        file = open_file(str(one.filename))
        file.bounds = file.bounds[one.skip :][: one.take + 1]
        file.first = one.skip
        files.append(file)
    if not files:
        raise ValueError(f"There is no image in {info.name}[{split}].")
    return open_records(
        name=f"{info.name}[{split}]",
        files=files,
        image_key=image_key,
        label_key=label_key,
        options=dataclasses.replace(options, orient=False),
        stored_shape=features[image_key].shape,
        class_names=label_key and tuple(features[label_key].names),
        exact=True,
        # With configuration and version.
        identity=info.full_name,
    )


def _find_builder(name, data_dir):
    if os.path.isdir(name):
        return tfds.builder_from_directory(name)
    try:
        return tfds.builder(name, data_dir=data_dir)
    except tfds.core.DatasetNotFoundError:
        root = pathlib.Path(data_dir or tfds.core.constants.DATA_DIR)
        prepared = [path.name for path in root.expanduser().glob("*/")]
        known = {*tfds.list_builders(), *prepared, "digits", *os.listdir()}
        hint = checks.did_you_mean(re.split("[/:]", name)[0], sorted(known))
        raise ValueError(
            f"Unknown source {name!r}: there is no such file or folder, and "
            f"tensorflow-datasets does not know the name.{hint}"
        ) from None
    except Exception as error:
        raise ValueError(
            f"tensorflow-datasets cannot open {name!r}: "
            f"{checks.in_one_line(error)}"
        ) from None


def _prepare(builder):
    reason = "there is no network to download it from."
    if _has_network():
        try:
            return builder.download_and_prepare()
        except Exception as error:
            reason = f"it could not be downloaded: {checks.in_one_line(error)}"
    raise FileNotFoundError(
        f"The data set {builder.info.full_name} is not prepared, and {reason} "
        f"Prepare it where there is a network (`tfds build {builder.name}`), "
        f"copy it to {builder.data_dir} or name its folder by data_dir= or "
        "--data_dir."
    )


def _has_network():
    # Without a network tensorflow-datasets retries for minutes. A proxy
    # resolves names itself.
    if urllib.request.getproxies():
        return True
    try:
        return bool(socket.getaddrinfo(_CATALOGUE, 443))
    except OSError:
        return False


def _only(features, kind, name):
    """Returns the feature of a kind that has `name` or is the only one."""
    keys = [key for key, one in features.items() if isinstance(one, kind)]
    return name if name in keys else keys[0] if len(keys) == 1 else None
