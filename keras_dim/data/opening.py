"""Opens sources of images, whichever kind they are."""

import fnmatch
import glob
import os
import pathlib
from collections.abc import Sequence
from typing import Any

from absl import logging

from keras_dim import checks
from keras_dim.data import arrays
from keras_dim.data import image_files
from keras_dim.data.image_header import is_image_file
from keras_dim.data.image_options import ImageOptions
from keras_dim.data.source import Source

# Files in the folder of a prepared version of a tensorflow-datasets set.
_PREPARED = ("dataset_info.json", "features.json")


def open_source(
    source: Any,
    split: str | None = "train",
    *,
    image_size: int | Sequence[int] | None = None,
    channels: int | None = None,
    exif_orientation: bool = True,
    values: str = "8_bit",
    data_dir: str | os.PathLike | None = None,
) -> Source:
    """Opens a set of images, without decoding them.

    Images are uint8, channels last, unless `values` is `"stored"`. Of 16 bits a
    channel the upper 8 are kept, with a warning that names the largest value.
    The first frame of an animation and the first page of a TIFF file are read;
    transparency is left out.

    Args:
        source: One of the following. If a file or folder and a data set have
            the same name, the file or folder is opened.

            * a folder of images at any depth, with or without folders of
              splits and classes: JPEG, PNG, GIF, WebP, BMP, TIFF, PPM, JPEG
              2000 and, where Pillow reads it, AVIF. Hidden files and files
              that are no images are ignored. Damaged images, other formats
              and images of more than 89,478,485 pixels are skipped, with a
              warning;
            * image files or TFRecord files: a glob pattern, in which one `**`
              is folders of any depth, or a list;
            * a `.npy` or `.npz` file;
            * a uint8 array `(n, height, width)` or `(n, height, width,
              channels)`, a list of such images, or a pair of either and
              integer labels `(n,)`;
            * `"digits"`: scikit-learn's bundled handwritten digits;
            * a tensorflow-datasets name, such as `"cifar10"` or
              `"imagenet_resized/64x64"`.
        split: str or `None`. For tensorflow-datasets any of its splits and
            slices; for the digits `"train"`, `"test"` or `"all"`; for a
            folder one of its sub-folders (`"test"` may be called `Testing` or
            the like); for `.npz` files a part of the arrays' names. Other
            sources have only `"train"`; `None` reads all of their images.
            Arrays ignore it. Defaults to `"train"`.
        image_size: int or `(height, width)`, to which images are resized by
            bilinear interpolation with antialiasing, without keeping their
            aspect ratio. Defaults to `None`, the size of the images, which
            must then be the same for all.
        channels: int. 1 turns colour into grey (luminance), 3 repeats grey.
            Defaults to `None`, as stored, or colour if only some are grey.
        exif_orientation: bool. Whether to turn image files and TFRecords as
            their EXIF orientation says. TIFF files are always turned, images
            of tensorflow-datasets never. Defaults to `True`.
        values: str. `"8_bit"`, or `"stored"` for values of any range in arrays
            and files, as they are stored: uint8, uint16 and int16 keep their
            type, all others become float32. It reads TIFF, PNG, DICOM, `.npy`
            and `.npz` files of one image each, and the formats above. All
            images must have one type and one number of bands. Where files
            have several pages, `channels` says whether these are bands (the
            bands of all pages) or images (the bands of one page). Images with
            NaN are skipped. Defaults to `"8_bit"`.
        data_dir: str or path. Folder of prepared tensorflow-datasets.
            Defaults to `None`, the folder in the environment variable
            `TFDS_DATA_DIR` or the default of tensorflow-datasets.

    Returns:
        A `Source` with `num_images`, `image_shape`, `class_names`, `paths`,
        and `skipped`, the files that cannot be read.

    Raises:
        ValueError: if there is no such source or split, or no image in it, or
            if the images cannot get the requested size and channels.
        FileNotFoundError: if a path does not exist, or if a data set is not
            prepared and cannot be downloaded.
        ModuleNotFoundError: for a tensorflow-datasets name or TFRecord files,
            if TensorFlow cannot be imported.

    Example:

    ```python
    source = keras_dim.data.open_source("photos", image_size=64)
    print(source.num_images, source.class_names, source.skipped)
    images = keras_dim.data.load(source, batch_size=64)
    ```
    """
    if not isinstance(split, str | None):
        raise ValueError(f"`split` must be text or None. Received: {split!r}")
    options = ImageOptions(image_size, channels, exif_orientation, values)
    if arrays.are_arrays(source):
        return arrays.open_arrays(source, options)
    if isinstance(source, tuple | list):
        return _open_files(_paths_of(source), split, options)
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
            "%s is read instead of the bundled data set 'digits'.",
            path.resolve(),
        )
    if path.is_dir():
        if all((path / name).is_file() for name in _PREPARED):
            return _open_named(str(path), split, options, None)
        return image_files.open_image_folder(path, split, options)
    if path.is_file():
        if path.suffix.lower() in (".npy", ".npz"):
            return arrays.open_array_file(path, split, options)
        if is_image_file(str(path)) and not options.is_stored:
            raise ValueError(
                f"{path} is one image. Expected a folder or a list of images."
            )
        return _open_files([str(path)], split, options)
    if glob.has_magic(name) and (paths := _paths_of([name])):
        return _open_files(paths, split, options)
    if source == "digits":
        return arrays.open_digits(split, options)
    _refuse_missing_path(source, name)
    return _open_named(name, split, options, data_dir and os.fspath(data_dir))


def has_tensorflow() -> bool:
    """Returns whether TensorFlow can be imported."""
    try:
        import tensorflow  # noqa: F401
    except ImportError:
        return False
    return True


def _require_tensorflow(name, kind, options):
    if options.is_stored:
        raise ValueError(
            'values="stored" is for arrays, folders and files of images. '
            f"Received: {name!r}"
        )
    if not has_tensorflow():
        raise ModuleNotFoundError(
            f"{name!r} is read as {kind}, which needs TensorFlow, and it "
            "cannot be imported. Install tensorflow, or pass a folder of "
            "images, an .npy or .npz file, arrays or 'digits'.",
            name="tensorflow",
        )


def _open_named(name, split, options, data_dir):
    _require_tensorflow(name, "a data set of tensorflow-datasets", options)
    from keras_dim.data.tensorflow_datasets import open_tensorflow_datasets

    return open_tensorflow_datasets(name, split, options, data_dir)


def _open_files(paths, split, options):
    """Opens a list of image files, or of TFRecord files."""
    if not paths:
        raise ValueError("Expected paths of files. Received an empty list.")
    if any(map(options.is_image_file, paths)):
        name = f"{paths[0]} and {len(paths) - 1} more files"
        source = image_files.open_image_files(paths, name, options)
        source.check_split(split)
        return source
    _require_tensorflow(paths[0], "a TFRecord file", options)
    from keras_dim.data.tfrecord import open_tfrecord

    return open_tfrecord(paths, split, options)


def _paths_of(patterns):
    """Returns the files of a list of paths and glob patterns, in that order."""
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
            found = sorted(_matches(pattern))
        if not found:
            is_folder = os.path.isdir(pattern)
            raise FileNotFoundError(
                f"No file is called {pattern} or matches it."
                f"{' It is a folder: pass it without a list.' * is_folder}"
            )
        paths += found
    return list(dict.fromkeys(paths))


def _matches(pattern):
    """Yields the files that match a glob pattern."""
    if os.path.basename(pattern) == "**":
        pattern = f"{pattern}{os.sep}*"
    before, stars, after = pattern.partition(f"**{os.sep}")
    if not stars or before[-1:] not in ("", os.sep):
        yield from filter(os.path.isfile, glob.glob(pattern))
        return
    if "**" in after.split(os.sep):
        raise ValueError(f"A pattern may have one `**`. Received: {pattern!r}")
    num_parts = 1 + after.count(os.sep)
    # Not by `glob`, which would follow links in circles.
    for root in glob.glob(before) if before else [""]:
        for path in image_files.files_below(root or os.curdir):
            parts = os.path.relpath(path, root or os.curdir).split(os.sep)
            end = os.sep.join(parts[-num_parts:])
            if len(parts) >= num_parts and fnmatch.fnmatchcase(end, after):
                yield os.path.join(root, *parts)


def _refuse_missing_path(source, name):
    if "://" in name:
        raise ValueError(
            f"Received the address {name!r}. Nothing is fetched from there: "
            "download it and pass its path."
        )
    # Other names, also "a/b", may be a data set and its configuration.
    if (
        isinstance(source, os.PathLike)
        or name.startswith((".", "~", os.sep))
        or name.endswith(os.sep)
        or pathlib.PurePath(name).suffix.lstrip(".").isalpha()
    ):
        near = checks.did_you_mean_path(pathlib.Path(name).expanduser())
        raise FileNotFoundError(f"There is no file or folder {name!r}.{near}")
