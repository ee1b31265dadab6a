"""Looks at a set of images, in bounded time."""

import dataclasses
import hashlib
import os
import time

import numpy as np

from keras_dim import curation
from keras_dim import data
from keras_dim.batches import ValueRange
from keras_dim.data import reading
from keras_dim.data import stored_files

# Numbers of images whose headers are read for their sizes, and of images that
# are decoded. Where there are more, they are drawn with seed 0.
NUM_SIZES = 10_000
NUM_DECODED = 2_000
# Decoding ends after so many seconds.
MOST_SECONDS = 20.0
_SIDE = 64
_BATCH = 64


@dataclasses.dataclass(frozen=True, kw_only=True)
class Facts:
    """Facts about a set of images.

    Attributes:
        source, split: str. See `data.open_source`.
        num_images: int. Of all files that are images, damaged ones included.
        smallest, median, largest: tuples `(height, width)`, in pixels: of the
            images of least and greatest area, and the medians of all heights
            and widths.
        bands: int. Number of bands, such as 3 for color.
        dtype: str. Type of the values as they are stored.
        values: str. `"stored"` where reading values as 8 bits would lose some
            of them, else `"8_bit"`; see `data.open_source`.
        num_decoded: int. Number of images of which the pixels were compared.
        num_unreadable: int. Number of files that were found to be damaged.
        num_exact: int. Images that are exact copies of an earlier one.
        num_near: int. Other images that are near-duplicates of an earlier one.
        num_classes: int. 0 without labels.
        test_split: str or float, see `training.Recipe`; None without labels.
        images_per_second: float. Rate of reading and decoding.
    """

    source: str
    split: str
    num_images: int
    smallest: tuple[int, int]
    median: tuple[int, int]
    largest: tuple[int, int]
    bands: int
    dtype: str
    values: str
    num_decoded: int
    num_unreadable: int
    num_exact: int
    num_near: int
    num_classes: int
    test_split: str | float | None
    images_per_second: float

    def __str__(self):
        sizes = [f"{h} x {w}" for h, w in (self.smallest, self.largest)]
        size = " to ".join(dict.fromkeys(sizes))
        if len(set(sizes)) > 1:
            size += f", median {self.median[0]} x {self.median[1]}"
        lines = [
            f"{self.source}: {self.num_images:,} images of {size} pixels, "
            f"{self.bands} band(s) of {self.dtype}"
            + (f", {self.num_classes} classes" if self.num_classes else ""),
            f"Of {self.num_decoded:,} looked at, {self.num_exact:,} are exact "
            f"copies and {self.num_near:,} near ones of others; "
            f"{self.num_unreadable:,} files cannot be read",
        ]
        return "\n".join(lines)


def look(
    source: str,
    split: str = "train",
    channels: int | None = None,
    probe_source: str | None = None,
) -> Facts:
    """Reads headers and pixels of a bounded sample of images.

    Args:
        source, split, channels: see `data.open_source`.
        probe_source: str or None. See `advise`.

    Returns:
        `Facts`.

    Raises:
        ValueError, FileNotFoundError: as `data.open_source`.
    """
    opened, values = _open(source, split, channels)
    draw = np.random.default_rng(0).permutation(opened.num_images)
    sizes = _sizes(opened, draw[:NUM_SIZES])
    areas = sizes.prod(axis=1)
    decoded = _decode(opened, values, draw[:NUM_DECODED])
    options = {"image_size": 8, "channels": channels, "values": values}
    labelled = probe_source or source
    num_classes, test_split = _labels(labelled, split, options)
    return Facts(
        source=source,
        split=split,
        num_images=opened.num_images,
        smallest=tuple(sizes[areas.argmin()].tolist()),
        median=tuple(np.median(sizes, axis=0).astype(int).tolist()),
        largest=tuple(sizes[areas.argmax()].tolist()),
        bands=opened.image_shape[-1],
        dtype=opened.dtype,
        values=values,
        num_unreadable=len(opened.skipped),
        num_classes=num_classes,
        test_split=test_split,
        **decoded,
    )


def _open(source, split, channels):
    """Returns an open source, and how its values are to be read."""
    options = {"image_size": _SIDE, "channels": channels}
    stored = error = None
    try:
        stored = data.open_source(source, split, values="stored", **options)
    except stored_files.PagesError:
        # 8 bits would be the first page alone.
        raise
    except ValueError as found:
        # For example, some images are grey, or it is the name of a data set.
        error = found
    if stored is not None and (
        stored.dtype != "uint8" or stored.image_shape[-1] not in (1, 3)
    ):
        return stored, "stored"
    try:
        plain = data.open_source(source, split, **options)
    except ValueError:
        if stored is not None:
            return stored, "stored"
        if os.path.exists(source):
            # The first error names the extra that reads such files.
            raise error from None
        raise
    if stored is not None and stored.num_images > plain.num_images:
        return stored, "stored"
    return plain, "8_bit"


def _sizes(opened, rows):
    sizes = []
    for row in rows.tolist():
        try:
            sizes.append(opened.stored_size(row))
        except (OSError, ValueError):
            # `_decode` counts the image, if it is in the sample.
            continue
    if not sizes:
        raise ValueError(f"No image of {opened.name} can be read.")
    return np.array(sizes)


def _decode(opened, values, rows):
    """Returns the facts that come from the pixels of a sample."""
    greys, digests = [], []
    scale = None
    begin = time.monotonic()
    for batch in reading.Epoch(opened, _BATCH, rows).batches():
        pixels = batch["image"]
        if values == "stored":
            scale = scale or _range_of(pixels)
            pixels = scale.in_8_bits(pixels)
        greys.append(curation.greys(pixels))
        for row, image in zip(batch["index"], batch["image"], strict=True):
            # Images of other sizes may be equal once resized.
            size = repr(opened.stored_size(int(row))).encode()
            digests.append(hashlib.sha256(size + image.tobytes()).digest())
        seconds = time.monotonic() - begin
        if seconds > MOST_SECONDS:
            break
    if not greys:
        raise ValueError(f"No image of {opened.name} can be read.")
    near = curation.duplicates(np.concatenate(greys))
    exact = curation.exact_duplicates(digests)
    num_copies = [_num_copies(groups) for groups in (exact, near)]
    return {
        "num_decoded": len(digests),
        "num_exact": num_copies[0],
        "num_near": num_copies[1] - num_copies[0],
        "images_per_second": len(digests) / max(seconds, 1e-9),
    }


def _range_of(images):
    """Returns an approximate range of values, from one batch."""
    ends = np.percentile(images, (0.1, 99.9), axis=(0, 1, 2))
    return ValueRange(*(tuple(end.tolist()) for end in ends))


def _num_copies(groups):
    """Returns the number of images in groups, without the first of each."""
    is_in = groups >= 0
    return int(is_in.sum() - len(np.unique(groups[is_in])))


def _labels(source, split, options):
    """Returns the number of classes, and the split or share to score on."""
    opened = data.open_source(source, split, **options)
    if not opened.has_labels:
        return 0, None
    num_classes = len(opened.class_names or ())
    if opened.labels is not None and not num_classes:
        num_classes = len(np.unique(opened.labels[opened.labels >= 0]))
    for name in ("test", "validation"):
        try:
            data.open_source(source, name, **options)
        except (ValueError, FileNotFoundError):
            continue
        return num_classes, name
    return num_classes, 0.2
