"""Files of stored values: any type, any range, any number of bands."""

import dataclasses
import functools
import os
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from keras_dim import checks
from keras_dim.batches import ranges
from keras_dim.data import image_header
from keras_dim.data import numpy_images
from keras_dim.data.image_options import ImageOptions
from keras_dim.data.source import Source
from keras_dim.data.source import digest_of_files
from keras_dim.data.source import no_image
from keras_dim.data.source import printable
from keras_dim.data.source import readable

# A file with more bands is taken for an array with the bands first.
MAX_BANDS = 64
# Tags of TIFF.
_BITS, _PHOTOMETRIC, _ORIENTATION = 258, 262, 274
_NUM_SAMPLES, _SAMPLE_FORMAT = 277, 339


class PagesError(ValueError):
    """Raised for a file of several pages that may be bands or images."""


class StoredHeader(NamedTuple):
    """The header of a file: its pages, all of one shape, and their type.

    `bands` are those of one page; `dtype` is the type in which they are read.
    """

    num_pages: int
    height: int
    width: int
    bands: int
    dtype: str


@dataclasses.dataclass(kw_only=True, eq=False, repr=False)
class StoredFileSource(Source):
    """Images of stored values in files, read when they are needed.

    Args:
        pages: tuple. The page of each image in its file, or `None` where all
            pages are bands of the image.
    """

    options: ImageOptions
    pages: tuple[int | None, ...]

    def item(self, index: int) -> tuple[np.ndarray, int | None]:
        path, page = self.paths[index], self.pages[index]
        image = read(path, self.options.orient, page)
        if ranges.dtype_of(image.dtype, path) != self.dtype:
            raise ValueError(f"its type is now {image.dtype}")
        image = image.astype(self.dtype, copy=False)
        numpy_images.check_finite(image)
        shape = self.image_shape
        # Sizes may differ where images are resized.
        first = 0 if self.options.image_size is None else 2
        if image.shape[first:] != shape[first:]:
            raise ValueError(f"its shape is now {image.shape}")
        return numpy_images.convert(image, shape), self.label(index)

    def stored_size(self, index: int) -> tuple[int, int]:
        found = header(self.paths[index], self.options.orient)
        return found.height, found.width

    def contents(self) -> str:
        return digest_of_files(self.paths, self.pages)


def open_stored_files(
    paths: Iterable[str], name: str, options: ImageOptions
) -> StoredFileSource:
    """Opens files of stored values, in their order, and reads their headers.

    Raises:
        ValueError: if images differ in type, bands or, without an
            `image_size`, in size; or if there are none.
        PagesError: if `channels` does not say what several pages are.
    """
    images, unreadable = [], {}
    first = None
    read_header = functools.partial(header, orient=options.orient)
    for path, found in readable(paths, read_header, unreadable):
        place = printable(os.path.basename(path))
        pages, bands = _pages_of(found, options.channels, place)
        facts = {"type": found.dtype, "number of bands": bands}
        if options.image_size is None:
            facts["size"] = f"{found.height}x{found.width}"
        first = first or (place, facts, (found.height, found.width, bands))
        for fact, value in facts.items():
            if value != first[1][fact]:
                raise ValueError(
                    f"The images of {name} differ in {fact}: {first[0]} has "
                    f"{first[1][fact]} and {place} has {value}. Pass "
                    "image_size= to resize them; put images that differ in "
                    "type or bands into folders of their own."
                )
        images += [(path, page) for page in pages]
    if first is None:
        raise no_image(name, unreadable)
    source = StoredFileSource(
        name=name,
        num_images=len(images),
        image_shape=options.shape(first[2], name),
        paths=tuple(path for path, _ in images),
        pages=tuple(page for _, page in images),
        options=options,
        dtype=first[1]["type"],
    )
    for path, reason in unreadable.items():
        source.skip(path, reason)
    return source


def _pages_of(found, channels, place):
    """Returns the page of each image in a file, and the bands of an image."""
    total = found.num_pages * found.bands
    if found.num_pages == 1 or channels == total:
        return [None], total
    if channels == found.bands:
        return list(range(found.num_pages)), found.bands
    raise PagesError(
        f"{place} has {found.num_pages} pages of {found.bands} band(s): pass "
        f"channels={total} to read them as the bands of one image, or "
        f"channels={found.bands} to read each as an image. Received: "
        f"channels={channels}"
    )


def header(path: str, orient: bool = True) -> StoredHeader:
    """Reads the header of a file of stored values.

    Raises:
        ValueError: if the file is damaged or of a kind that is not read.
    """
    pages, height, width, bands, dtype = _read(path, orient, None, False)
    if bands * pages < 1 or bands > MAX_BANDS:
        raise ValueError(
            f"it has {bands} bands: expected 1 to {MAX_BANDS}, as the last "
            "axis (if they are the first axis: numpy.moveaxis(image, 0, -1))"
        )
    image_header.check_size("file's", width, height)
    dtype = ranges.dtype_of(dtype, path)
    return StoredHeader(pages, height, width, bands, dtype)


def read(path: str, orient: bool = True, page: int | None = None) -> np.ndarray:
    """Reads a page, or all pages as bands, in the type of the file.

    Returns an array `(height, width, bands)`. Raises as `header` does.
    """
    return _read(path, orient, page, True)


def _read(path, orient, page, decode):
    """Returns the image if `decode`, else a tuple as of `StoredHeader`.

    So does each function of `_READERS`, but with a list of pages, each an
    array `(height, width, bands)`, for an image.
    """
    with open(path, "rb") as file:
        image_header.check_bytes(os.fstat(file.fileno()).st_size)
        kind = image_header.image_kind(file.read(132))
        file.seek(0)
        if path.lower().endswith((".npy", ".npz")):
            kind = "numpy"
        if kind not in _READERS:
            return _read_other(file, path, orient, decode)
        try:
            found = _READERS[kind](file, page, decode)
        # Damage leads readers to errors of any kind.
        except Exception as error:
            raise ValueError(checks.in_one_line(error)) from error
    return np.concatenate(found, axis=-1) if decode else found


def _read_numpy(file, page, decode):
    is_zip = file.read(2) == b"PK"
    image = np.load(file.name, None if is_zip else "r", allow_pickle=False)
    if is_zip:
        with image as arrays:
            names = arrays.files
            if len(names) != 1:
                raise ValueError(f"expected one array. Received: {names}")
            image = arrays[names[0]]
    if image.ndim == 2:
        image = image[..., None]
    if image.ndim != 3:
        raise ValueError(
            "expected an array (height, width) or (height, width, bands). "
            f"Received the shape {image.shape}"
        )
    return [np.array(image)] if decode else (1, *image.shape, image.dtype)


def _read_tiff(file, page, decode):
    try:
        image = image_header.open_by_pillow("tiff", file)
    except ValueError:
        image = None
    if image is None or not _is_whole_in_pillow(image):
        file.seek(0)
        return _read_by_tifffile(file, page, decode)
    tags = image.tag_v2
    if tags.get(_PHOTOMETRIC) == 0 and image.mode != "L":
        raise ValueError("16 bits with 0 for white are not read")
    mode, num_pages = image.mode, image.n_frames
    dtypes = {"F": "float32", "L": "uint8", "RGB": "uint8"}
    # Pillow gives int32, "I", for signed 16 bits and for all of 32 bits.
    dtypes["I"] = "int16" if tags[_BITS][0] == 16 else "int32"
    dtype = dtypes.get(mode, "uint16")
    if not decode:
        image.seek(0)
        width, height = image.size
        return num_pages, height, width, len(image.getbands()), dtype
    found = []
    for number in range(num_pages) if page is None else [page]:
        image.seek(number)
        if image.mode != mode:
            raise ValueError(f"page {number} is of another type than page 0")
        pixels = np.asarray(image).astype(dtype)
        if dtype == "int32" and tags.get(_SAMPLE_FORMAT, (1,))[0] == 1:
            pixels = pixels.view(np.uint32)
        found.append(pixels[..., None] if pixels.ndim == 2 else pixels)
    return found


def _is_whole_in_pillow(image):
    """Returns whether Pillow reads all bits and bands of a TIFF file."""
    tags, mode = image.tag_v2, image.mode.partition(";")[0]
    bits, kind = set(tags.get(_BITS, (1,))), tags.get(_SAMPLE_FORMAT, (1,))[0]
    # Pillow would read signed bytes as unsigned and leave out a fourth band.
    is_whole = mode in ("F", "I") or (bits == {8} and kind == 1)
    bands = {"F": 1, "I": 1, "L": 1, "RGB": 3}.get(mode)
    return is_whole and tags.get(_NUM_SAMPLES, 1) == bands


def _read_by_tifffile(file, page, decode):
    try:
        import tifffile
    except ImportError:
        raise ValueError(
            "TIFF files of several bands or of colours of more than 8 bits "
            'are read by tifffile: pip install "keras-dim[tiff]"'
        ) from None
    with tifffile.TiffFile(file) as opened:
        first = opened.pages[0]
        tags = {tag.code: tag.value for tag in first.tags}
        if tags.get(_ORIENTATION, 1) != 1 or first.photometric == 0:
            raise ValueError(
                "a tag turns or inverts it, which is not read: store it "
                "upright, with 0 for black"
            )
        if first.photometric == 3:
            raise ValueError("its values are indices into a palette")
        if first.axes not in ("YX", "YXS", "SYX"):
            raise ValueError(f"its axes are {first.axes}")
        # Pages of another shape or type are reduced copies, or masks.
        pages = [
            each
            for each in opened.pages
            if (each.shape, each.dtype) == (first.shape, first.dtype)
        ]
        if not decode:
            sizes = dict(zip(first.axes, first.shape, strict=True))
            shape = sizes["Y"], sizes["X"], sizes.get("S", 1)
            return len(pages), *shape, first.dtype
        pages = pages if page is None else [pages[page]]
        arrays = [each.asarray() for each in pages]
    if first.axes == "YX":
        return [array[..., None] for array in arrays]
    return [np.moveaxis(array, first.axes.index("S"), -1) for array in arrays]


def _read_dicom(file, page, decode):
    """Reads DICOM in the units of its header, as float32."""
    try:
        import pydicom
    except ImportError:
        raise ValueError(
            'DICOM files are read by pydicom: pip install "keras-dim[dicom]"'
        ) from None
    image = pydicom.dcmread(file, stop_before_pixels=not decode)
    colors = image.PhotometricInterpretation
    if colors not in ("MONOCHROME1", "MONOCHROME2", "RGB"):
        raise ValueError(
            f"its photometric interpretation, {colors}, is not read"
        )
    groups = "SharedFunctionalGroupsSequence PerFrameFunctionalGroupsSequence"
    groups = [one for name in groups.split() for one in image.get(name, ())]
    if any(
        name in part
        for part in (image, *groups)
        for name in ("ModalityLUTSequence", "PixelValueTransformationSequence")
    ):
        raise ValueError(
            "its values are rescaled by a table or by a group of frames, which "
            "is not read"
        )
    num_pages = int(image.get("NumberOfFrames") or 1)
    shape = num_pages, image.Rows, image.Columns, image.SamplesPerPixel
    if not decode:
        return *shape, "float32"
    values = image.pixel_array.reshape(shape).astype(np.float32)
    if colors == "MONOCHROME1":
        # Zero is white. Images of other machines would be negatives of it.
        is_signed = image.PixelRepresentation
        values = (-1 if is_signed else 2**image.BitsStored - 1) - values
    slope = float(image.get("RescaleSlope", 1) or 1)
    values = values * slope + float(image.get("RescaleIntercept", 0) or 0)
    return list(values.astype(np.float32) if page is None else values[[page]])


def _read_other(file, path, orient, decode):
    """Reads formats of photographs; of PNG and PPM all 16 bits."""
    found, image = image_header.open_image(file, path)
    is_deep = found.is_deep or image.mode.startswith("I")
    if not decode:
        size = found.size(orient)
        return 1, *size, found.channels, np.dtype("uint16" if is_deep else "u1")
    orientation = found.orientation if orient else 1
    if image.mode.startswith("I"):
        image = np.asarray(image).astype(np.uint16)[..., None]
        return numpy_images.turned(image, orientation)
    file.seek(0)
    encoded = file.read()
    if not is_deep:
        image = numpy_images.decode(encoded, found.channels, orient)
        # Grey comes back as three equal channels.
        return image[..., : found.channels]
    if found.kind != "png":
        raise ValueError(f"{found.kind} of 16 bits in colour is not read")
    try:
        from keras_dim.data.tensorflow_images import decode_deep_png
    except ImportError:
        raise ValueError(
            "PNG of 16 bits in colour is read by TensorFlow, which cannot be "
            "imported: install tensorflow"
        ) from None
    return numpy_images.turned(decode_deep_png(encoded), orientation)


_READERS = {"numpy": _read_numpy, "tiff": _read_tiff, "dicom": _read_dicom}
