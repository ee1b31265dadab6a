"""From what a user names to the source that reads it."""

import glob
import os
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from absl import logging

from keras_dim.data.arrays import open_array_file
from keras_dim.data.arrays import open_arrays
from keras_dim.data.digits import open_digits
from keras_dim.data.image_files import open_image_files
from keras_dim.data.image_files import open_image_folder
from keras_dim.data.image_header import is_meant_as_image
from keras_dim.data.source import Source
from keras_dim.data.source import refuse_missing_split
from keras_dim.data.tensorflow_tools import require_tensorflow


def open_source(
    source: Any,
    split: str | None = "train",
    *,
    image_size: int | Sequence[int] | None = None,
    channels: int | None = None,
    exif_orientation: bool = True,
    data_dir: str | os.PathLike | None = None,
) -> Source:
    """Opens a set of images and says what is in it, without decoding it.

    Args:
        source: What to open, one of

            * a folder of images at any depth, with or without folders of
              splits and classes: JPEG, PNG, GIF, WebP, BMP, TIFF, PPM, JPEG
              2000 and, where Pillow reads it, AVIF. Hidden files and files
              that are no image are passed over; damaged images, formats that
              are not read (HEIC, raw files of cameras, ...) and images of
              more than 89,478,485 pixels are skipped, with a warning, and
              listed in the source's `skipped`;
            * image files: a glob pattern, or a list in any order;
            * TFRecord files: a path, a glob pattern or a list of them;
            * a `.npy` or `.npz` file;
            * a uint8 array `(n, height, width)` or `(n, height, width,
              channels)`, a list of arrays `(height, width)` or `(height,
              width, channels)`, or a pair of either and integer labels;
            * `"digits"`: scikit-learn's bundled handwritten digits;
            * a tensorflow-datasets name, such as `"cifar10"` or
              `"imagenet_resized/64x64"`.

            A file or folder that exists is taken before a name.
        split: str or `None`. For tensorflow-datasets any split string,
            slices included; for the digits `"train"`, `"test"` or `"all"`;
            for a folder one of its sub-folders, `"test"` being also called
            `Testing` or the like; for `.npz` files a part of the arrays'
            names. Files and folders without splits have `"train"` alone;
            `None` is all of their images. Arrays are one set, whatever the
            split. Defaults to `"train"`.
        image_size: int or `(height, width)`. The size to resize to, by
            bilinear interpolation with antialiasing; the aspect ratio is not
            kept. Defaults to `None`, the images' own size, which must then
            be one for all.
        channels: int. 1 turns colour into grey (luminance), 3 repeats grey;
            other numbers must be the source's own. Defaults to `None`, what
            the source has: colour where grey and colour are mixed.
        exif_orientation: bool. Whether to turn image files and TFRecords as
            the orientation tag of the camera says. TIFF files are always
            turned, images of tensorflow-datasets never. Defaults to `True`.
        data_dir: str or path. Where prepared tensorflow-datasets lie.
            Defaults to `None`, that package's own folder.

    Returns:
        A `Source` with `num_images`, `image_shape`, `class_names`, `paths`,
        `skipped`.

    Raises:
        ValueError: if there is no such source or split, no image in it, or
            no sound way to the size and channels asked for.
        FileNotFoundError: if a path does not exist, or a data set is neither
            prepared nor to be downloaded.
        ModuleNotFoundError: if it is a tensorflow-datasets name or TFRecord
            files, and TensorFlow cannot be imported.

    Images come as uint8, channels last, whatever
    `keras.config.image_data_format()` is. Of 16 bits a channel the upper 8
    are kept, with a warning that names the largest value seen; of an
    animation the first frame, of a TIFF file the first page; transparency is
    cut off.

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
    files = {**pixels, "orient": exif_orientation}
    if isinstance(source, tuple | list):
        return _open_files(_paths_of(source), split, files)
    if not isinstance(source, str | os.PathLike):
        raise ValueError(
            "Expected a name, a path, a list of paths, an array or a pair of "
            f"arrays. Received: {type(source).__name__}"
        )
    name = os.fspath(source)
    if not name:
        raise FileNotFoundError("There is no file or folder ''.")
    path = pathlib.Path(name).expanduser()
    if path.exists() and name == "digits":
        logging.warning(
            "%s is read, not the bundled data set of this name.", path.resolve()
        )
    if path.is_dir():
        if is_prepared_folder(path):
            return _open_named(str(path), split, None, pixels)
        return open_image_folder(path, split, **files)
    if path.is_file():
        return _open_file(path, split, pixels, files)
    if any(letter in name for letter in "*?["):
        if paths := _paths_of([name]):
            return _open_files(paths, split, files)
    if source == "digits":
        return open_digits(split, **pixels)
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


def _open_files(paths, split, options):
    """Opens a list of image files, or of TFRecord files."""
    if not paths:
        raise ValueError("Expected paths of files. Received an empty list.")
    if not any(map(is_meant_as_image, paths)):
        return _open_tfrecord(paths, split, options)
    name = f"{paths[0]} and {len(paths) - 1} more files"
    source = open_image_files(paths, name, **options)
    refuse_missing_split(source, split)
    return source


def _open_tfrecord(paths, split, options):
    require_tensorflow(
        f"Received {paths[0]!r}, taken for a TFRecord file, which is read with "
        "TensorFlow"
    )
    from keras_dim.data.tfrecord import open_tfrecord

    return open_tfrecord(paths, split, **options)


def _paths_of(patterns):
    """The files of a list of paths and glob patterns, in its order."""
    paths = []
    for pattern in patterns:
        if not isinstance(pattern, str | os.PathLike):
            raise ValueError(
                "Expected a list of paths, or of arrays. Received in it: "
                f"{type(pattern).__name__}"
            )
        pattern = os.path.expanduser(os.fspath(pattern))
        found = [pattern]
        if not os.path.isfile(pattern):
            found = sorted(filter(os.path.isfile, glob.glob(pattern)))
        if not found:
            raise FileNotFoundError(
                f"No file is called {pattern} or matches it."
            )
        paths += found
    return list(dict.fromkeys(paths))


def _are_arrays(source):
    if isinstance(source, tuple | list):
        return any(
            hasattr(one, "__array__") and not np.isscalar(one)
            for one in source[-1:]
        )
    return hasattr(source, "__array__")


def _open_file(path, split, pixels, files):
    if path.suffix in (".npy", ".npz"):
        return open_array_file(path, split, **pixels)
    if is_meant_as_image(str(path)):
        raise ValueError(
            f"{path} is one image. Expected a folder or a list of images."
        )
    return _open_tfrecord([str(path)], split, files)


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
