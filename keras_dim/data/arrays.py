"""Images in an array, in memory or mapped from a file."""

import dataclasses
import hashlib
import pathlib
from typing import Any

import numpy as np

from keras_dim import batches
from keras_dim import checks
from keras_dim.batches import ranges
from keras_dim.data import numpy_images
from keras_dim.data.image_options import ImageOptions
from keras_dim.data.source import Source

_IMAGE_KEYS = ("images", "image", "x", "data", "arr_0")
_LABEL_KEYS = ("labels", "label", "y", "target", "arr_1")
_SPLITS = ("train", "test", "validation", "val")
# Most bytes of an array that are read at once for its checksum.
_BLOCK_BYTES = 2**24


@dataclasses.dataclass(kw_only=True, eq=False, repr=False)
class ArraySource(Source):
    """Images in an array `(num_images, height, width, channels)`.

    Of a memory-mapped array only the batches are read. `index`, int64
    `(num_images,)`, has the index of each image where it is not its row.
    """

    images: np.ndarray
    index: np.ndarray | None = None
    exact: bool = True

    @property
    def decoded(self) -> bool:
        return self.images.shape[1:] == self.image_shape

    def item(self, index: int) -> tuple[np.ndarray, int | None]:
        image = np.asarray(self.images[index], self.dtype)
        numpy_images.check_finite(image)
        found = numpy_images.convert(image, self.image_shape)
        return found, self.label(index)

    def stored_size(self, index: int) -> tuple[int, int]:
        return self.images.shape[1:3]

    def read(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        if not self.decoded:
            return super().read(rows)
        images = np.asarray(self.images[rows], self.dtype)
        index = rows if self.index is None else self.index[rows]
        if images.dtype == np.float32:
            is_finite = np.isfinite(images).all((1, 2, 3))
            if not is_finite.all():
                place = index[np.argmin(is_finite)]
                raise ValueError(
                    f"The images of {self.name} hold NaN or infinity, such as "
                    f"image {place}: leave such images out, or fill them, as "
                    "numpy.nan_to_num does"
                )
        batch = {"image": images, "index": index}
        if self.has_labels:
            batch["label"] = self.labels[rows]
        return batch

    def contents(self) -> str:
        digest = hashlib.sha256(f"{self.images.shape}\n".encode())
        # In blocks: a mapped array need not fit into memory.
        step = max(1, _BLOCK_BYTES // self.images[0].nbytes)
        for begin in range(0, self.num_images, step):
            digest.update(
                np.ascontiguousarray(self.images[begin : begin + step])
            )
        if self.has_labels:
            digest.update(np.ascontiguousarray(self.labels))
        return f"sha256 {digest.hexdigest()}"


def are_arrays(source: Any) -> bool:
    """Returns whether a source is an array, or a list or pair of arrays."""
    while isinstance(source, tuple | list) and len(source):
        source = source[0]
    return hasattr(source, "__array__") and not np.isscalar(source)


def open_arrays(
    arrays: Any, options: ImageOptions, name: str = "the arrays"
) -> ArraySource:
    """Opens an array or list of images, alone or as a pair with labels.

    Raises:
        ValueError: for arrays that are no images or no labels of them.
    """
    images, labels = arrays, None
    if isinstance(arrays, tuple | list) and len(arrays) == 2:
        first, second = arrays
        # Otherwise the two are a list of two images.
        if not hasattr(first, "__array__") or (
            np.ndim(first) == 4 or np.ndim(first) != np.ndim(second)
        ):
            images, labels = arrays
    images = _checked_images(images, name, options)
    if labels is not None:
        labels = batches.labels_of(
            labels, f"The source {name!r}", allow_unlabelled=True
        )
        batches.columns((images, labels))
    return ArraySource(
        name=name,
        num_images=len(images),
        image_shape=options.shape(images.shape[1:], name),
        images=images,
        labels=labels,
        dtype=ranges.dtype_of(images.dtype, name),
    )


def open_array_file(
    path: pathlib.Path, split: str | None, options: ImageOptions
) -> ArraySource:
    """Opens a `.npy` file, which is memory-mapped, or a `.npz` file.

    The array of images in a `.npz` file is called `images`, `image`, `x`,
    `data` or `arr_0`, that of labels `labels`, `label`, `y`, `target` or
    `arr_1`. The split may come before or after (`x_train`, `test_images`).
    """
    has_splits = False
    try:
        if path.suffix.lower() == ".npy":
            arrays = np.lib.format.open_memmap(path, mode="r")
        else:
            arrays, has_splits = _arrays_of_npz(path, split)
    except Exception as error:
        # Damage leads to errors of any kind: of zlib, of Python's parser, which
        # reads headers, and of memory for the size that a header states.
        raise ValueError(
            f"Cannot read {path}: {checks.in_one_line(error)} Expected arrays "
            "of numbers; Python objects are not loaded, because they can run "
            "code."
        ) from error
    source = open_arrays(arrays, options, str(path))
    if not has_splits:
        source.check_split(split)
    return source


def open_digits(split: str | None, options: ImageOptions) -> ArraySource:
    """Opens scikit-learn's 1,797 handwritten digits of 8x8 pixels.

    Their 17 grey levels are scaled to 0 to 255. The splits `"train"` (1,437
    images) and `"test"` (360) are stratified by class; `"all"` is both.

    Reference:
        Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, UCI
        Machine Learning Repository, 1998.
    """
    from sklearn import datasets
    from sklearn import model_selection

    digits = datasets.load_digits()
    rows = np.arange(len(digits.target))
    train, test = model_selection.train_test_split(
        rows, test_size=360, stratify=digits.target, random_state=0
    )
    splits = {"train": np.sort(train), "test": np.sort(test), "all": rows}
    checks.one_of(splits, **{"split of the digits": split})
    rows = splits[split]
    images = np.rint(digits.images[rows] * (255 / 16)).astype(np.uint8)
    source = open_arrays((images, digits.target[rows]), options, "digits")
    source.class_names = tuple(map(str, digits.target_names))
    return source


def _arrays_of_npz(path, split):
    """Returns images and labels, and whether their names hold the split."""
    # A damaged file that NumPy opens itself would stay open.
    with (
        open(path, "rb") as opened,
        np.load(opened, allow_pickle=False) as file,
    ):

        def key(stems, part):
            patterns = ("{0}_{1}", "{1}_{0}") if part else ("{0}",)
            names = [p.format(stem, part) for stem in stems for p in patterns]
            return next((name for name in names if name in file.files), None)

        aliases = {"validation": "val", "val": "validation"}
        parts = [part for part in (split, aliases.get(split)) if part]
        if not any(key(_IMAGE_KEYS, part) for part in _SPLITS):
            parts.append(None)
        for part in parts:
            if images := key(_IMAGE_KEYS, part):
                labels = key(_LABEL_KEYS, part)
                return (file[images], labels and file[labels]), part is not None
        raise ValueError(
            f"there are no images of the split {split!r}, such as an array "
            f"{f'x_{split}' if split else 'x'}, but {sorted(file.files)}."
        )


def _checked_images(images, name, options):
    if isinstance(images, tuple | list):
        shapes = {np.shape(image) for image in images}
        if len(shapes) != 1:
            raise ValueError(
                f"The images of {name} must have one shape. Received a list of "
                f"{len(images)} arrays of the shapes {sorted(shapes)[:3]}"
            )
    if np.ma.is_masked(images):
        raise ValueError(
            f"Some values of {name} are masked. Fill them: images.filled(value)"
        )
    if not isinstance(images, np.memmap):
        images = np.asarray(images)
    if images.dtype != np.uint8 and not options.is_stored:
        raise ValueError(
            f"The images of {name} must be uint8 pixels from 0 to 255. "
            f"Received: {images.dtype}. Scale them to 0 to 255 and convert "
            'them by images.astype("uint8"), or pass values="stored".'
        )
    if images.ndim == 3:
        images = images[..., None]
    batches.check_spec(images.shape, images.dtype, None, f"The source {name!r}")
    if 0 in images.shape:
        raise ValueError(
            f"There is no image in {name}. Received the shape {images.shape}"
        )
    return images
