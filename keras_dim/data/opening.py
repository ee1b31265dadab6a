"""From what a user names to the source that reads it."""

import os
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_dim.data.arrays import open_array_file
from keras_dim.data.arrays import open_arrays
from keras_dim.data.digits import open_digits
from keras_dim.data.image_folder import open_image_folder
from keras_dim.data.image_header import image_kind
from keras_dim.data.source import Source
from keras_dim.data.tensorflow_needed import require_tensorflow


def open_source(
    source: Any,
    split: str = "train",
    *,
    image_size: int | Sequence[int] | None = None,
    channels: int | None = None,
    data_dir: str | os.PathLike | None = None,
) -> Source:
    """Opens a set of images and says what is in it, without decoding it.

    Args:
        source: What to open, one of

            * `"digits"`: scikit-learn's bundled handwritten digits;
            * a tensorflow-datasets name, such as `"cifar10"` or
              `"imagenet_resized/64x64"`;
            * a folder of images (JPEG, PNG, GIF, BMP, WebP) at any depth,
              with or without class folders. Hidden files and what is no
              image are passed over; damaged images, and those of more than
              89,478,485 pixels, are skipped, with a warning, and listed in
              the source's `skipped`;
            * TFRecord files: a path, a glob pattern or a list of them;
            * a `.npy` or `.npz` file;
            * a uint8 array `(n, height, width)` or `(n, height, width,
              channels)`, or a pair of it and integer labels.
        split: str. For tensorflow-datasets any split string, slices
            included; for the digits `"train"`, `"test"` or `"all"`; for a
            folder the name of a sub-folder, if there are such; for `.npz`
            files a part of the arrays' names, if there are such. Other
            sources are one set, whatever the split. Defaults to `"train"`.
        image_size: int or `(height, width)`. The size to resize to, by
            bilinear interpolation with antialiasing; the aspect ratio is not
            kept. Defaults to `None`, the images' own size, which must then
            be one for all.
        channels: int. 1 turns colour into grey (luminance), 3 repeats grey;
            other numbers must be the source's own. Defaults to `None`, what
            the source has: colour where grey and colour are mixed.
        data_dir: str or path. Where prepared tensorflow-datasets lie.
            Defaults to `None`, that package's own folder.

    Returns:
        A `Source` with `num_images`, `image_shape`, `class_names`, `paths`,
        `skipped`.

    Raises:
        ValueError: if there is no such source, no image in it, or no sound
            way to the size and channels asked for.
        FileNotFoundError: if a path does not exist, or a data set is neither
            prepared nor to be downloaded.
        ModuleNotFoundError: if it is a tensorflow-datasets name or TFRecord
            files, and TensorFlow cannot be imported.

    Orientation tags of cameras (EXIF) are left alone: pixels come as they
    are stored. Images of 16 bits a channel are cut to 8.

    Example:

    ```python
    source = keras_dim.data.open_source("photos", image_size=64)
    print(source.num_images, source.class_names, source.skipped)
    images = keras_dim.data.load(source, batch_size=64)
    ```
    """
    pixels = {"image_size": image_size, "channels": channels}
    if _are_arrays(source):
        return open_arrays(source, **pixels)
    if isinstance(source, tuple | list):
        return _open_tfrecord(source, pixels)
    if not isinstance(source, str | os.PathLike):
        raise ValueError(
            "Expected a name, a path, a list of paths, an array or a pair of "
            f"arrays. Received: {type(source).__name__}"
        )
    name = os.fspath(source)
    if not name:
        raise FileNotFoundError("There is no file or folder ''.")
    if name == "digits":
        return open_digits(split, **pixels)
    path = pathlib.Path(name).expanduser()
    if path.is_dir():
        if is_prepared_folder(path):
            return _open_named(str(path), split, None, pixels)
        return open_image_folder(path, split, **pixels)
    if path.is_file():
        return _open_file(path, split, pixels)
    if any(letter in name for letter in "*?"):
        return _open_tfrecord(name, pixels)
    _refuse_missing_path(source, name)
    data_dir = None if data_dir is None else os.fspath(data_dir)
    return _open_named(name, split, data_dir, pixels)


def is_prepared_folder(folder: pathlib.Path) -> bool:
    """Whether a folder is one prepared version of a data set."""
    return all(
        (folder / name).is_file()
        for name in ("dataset_info.json", "features.json")
    )


def _open_named(name, split, data_dir, pixels):
    require_tensorflow(
        f"Received {name!r}, taken for a data set of tensorflow-datasets, "
        "which are read with TensorFlow"
    )
    from keras_dim.data.tensorflow_datasets import open_tensorflow_datasets

    return open_tensorflow_datasets(name, split, data_dir=data_dir, **pixels)


def _open_tfrecord(files, pixels):
    require_tensorflow(
        f"Received {files!r}, taken for TFRecord files, which are read with "
        "TensorFlow"
    )
    from keras_dim.data.tfrecord import open_tfrecord

    return open_tfrecord(files, **pixels)


def _are_arrays(source):
    if isinstance(source, tuple | list):
        return (
            len(source) == 2
            and hasattr(source[0], "__array__")
            and not np.isscalar(source[0])
        )
    return hasattr(source, "__array__")


def _open_file(path, split, pixels):
    if path.suffix in (".npy", ".npz"):
        return open_array_file(path, split, **pixels)
    with open(path, "rb") as file:
        kind = image_kind(file.read(12))
    if kind not in (None, "bmp"):
        raise ValueError(
            f"{path} is one image. Expected a folder of images; received a "
            f"{kind} file."
        )
    return _open_tfrecord(str(path), pixels)


def _refuse_missing_path(source, name):
    if "://" in name:
        raise ValueError(
            f"Received the address {name!r}. Nothing is fetched from there: "
            "download it, and pass its path."
        )
    # "a/b" may be a configuration of tensorflow-datasets; these are not.
    looks_like_a_path = (
        isinstance(source, os.PathLike)
        or name.startswith((".", "~", os.sep))
        or name.endswith(os.sep)
        or pathlib.PurePath(name).suffix.lstrip(".").isalpha()
    )
    if looks_like_a_path:
        raise FileNotFoundError(f"There is no file or folder {name!r}.")
