"""Reads the images of a report: once for pixels and once for features."""

import dataclasses
import hashlib
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_dim import batches
from keras_dim import curation
from keras_dim import data
from keras_dim import encoders
from keras_dim import evaluation
from keras_dim.data import reading

# Defects and duplicates are measured at so many pixels a side, or at the median
# size of the images if that is smaller.
SIDE = 128
_BATCH = 256
# Images that are enlarged by more for this are not measured for blur.
_MOST_GROWN = 1.1
# The side in pixels of small thumbnails, for up to so many images.
_SMALL_SIDES = ((10_000, 64), (25_000, 48), (100_000, 32))


@dataclasses.dataclass
class Images:
    """Images as a report needs them; the first axis of arrays is `rows`.

    `rows` are the source's indices of all images that could be read. `on_page`
    are indices into `rows` of the images on the page, and `thumbnails` are
    those images. `source` returns images at the size for measuring.
    """

    source: data.Source
    rows: np.ndarray
    names: list[str]
    labels: np.ndarray | None
    sizes: np.ndarray
    greys: np.ndarray
    exact: np.ndarray
    measures: dict[str, np.ndarray]
    on_page: np.ndarray
    thumbnails: np.ndarray
    damaged: list[str]
    values: batches.ValueRange | None = None
    features: np.ndarray | None = None

    def class_name(self, label: int) -> str:
        """Returns the name of a label; `""` for an unlabelled image."""
        known = self.source.class_names or ()
        if label < 0:
            return ""
        return known[label] if label < len(known) else str(label)

    def pixels(self, numbers: np.ndarray) -> np.ndarray:
        """Returns images by index at the size for measuring, uint8."""
        found = self.source.read(self.rows[numbers])["image"]
        return found if self.values is None else self.values.in_8_bits(found)


def read_pixels(
    source: Any,
    split: str | None,
    labels: bool,
    most_on_page: int,
    report: Callable[[str, int, int], None],
    values: batches.ValueRange | None = None,
) -> Images:
    """Reads and measures all images. Raises as `data.open_source` does.

    Images of stored values are measured and shown on the scale of 8 bits, from
    the low to the high end of `values` in each band.
    """
    options = {}
    if values is not None:
        options = {"values": "stored", "channels": len(values.low)}
    report("Opening the source", 0, 1)
    opened = data.open_source(source, split, image_size=SIDE, **options)
    sizes = _sizes(opened, report)
    side = int(np.median(np.sqrt(sizes.prod(axis=1))))
    if side < SIDE:
        side = max(8, side)
        opened = data.open_source(source, split, image_size=side, **options)
    total = opened.num_images
    order = np.random.default_rng(0).permutation(total)
    shown = np.zeros(total, bool)
    shown[order[:most_on_page]] = True
    small = min(
        next((s for n, s in _SMALL_SIDES if shown.sum() <= n), 32),
        opened.image_shape[0],
    )
    columns: dict[str, list] = {}
    digests = []
    done = 0
    for batch in reading.Epoch(opened, _BATCH).batches():
        pixels, index = batch["image"], batch["index"]
        if values is not None:
            pixels = values.in_8_bits(pixels)
        found = {"rows": index, "greys": curation.greys(pixels)}
        found |= {"thumbnails": thumbnails_of(pixels[shown[index]], small)}
        found |= curation.measure(pixels)
        grown = opened.image_shape[:2] / sizes[index]
        # Enlarging blurs: of 100 sharp images of 32 to 64 pixels, 4 to 11 would
        # be flagged after enlarging by 1.1, and 98 after enlarging by 2.
        found["blurred"][(grown > _MOST_GROWN).any(axis=1)] = np.nan
        if labels and "label" in batch:
            found["labels"] = batch["label"]
        for name, column in found.items():
            columns.setdefault(name, []).append(column)
        for number, image in enumerate(batch["image"]):
            # An image of another size is no exact copy.
            size = sizes[index[number]].tobytes()
            digests.append(hashlib.sha256(size + image.tobytes()).digest())
        done += len(index)
        report("Reading images", done, total)
    if not columns:
        raise ValueError(f"No image of {opened.name} can be read.")
    found = {name: np.concatenate(columns.pop(name)) for name in list(columns)}
    rows = found.pop("rows")
    labels = found.pop("labels", None)
    return Images(
        source=opened,
        rows=rows,
        names=[opened.place(row) for row in rows],
        labels=labels,
        sizes=sizes[rows],
        greys=found.pop("greys"),
        exact=curation.exact_duplicates(digests),
        thumbnails=found.pop("thumbnails"),
        measures=found,
        on_page=np.flatnonzero(shown[rows]),
        damaged=list(opened.skipped),
        values=values,
    )


def read_features(
    images: Images,
    encoder: keras.Model,
    source: Any,
    split: str | None,
    feature: str,
    report: Callable[[str, int, int], None],
) -> np.ndarray:
    """Returns one feature of each of the images, float32 `(rows, units)`."""
    *size, channels = encoder.inputs[0].shape[1:]
    size = images.source.image_shape[:2] if None in size else size
    opened = data.open_source(
        source,
        split,
        image_size=size,
        channels=channels,
        values=encoders.how_read(encoder),
    )
    batches = reading.Epoch(opened, _BATCH, images.rows).batches()
    found, done = [], 0
    for batch in evaluation.stream(encoder, batches, feature, _BATCH):
        found.append(batch[feature])
        done += len(batch["index"])
        report("Encoding images", done, len(images.rows))
    features = np.concatenate(found) if found else np.empty((0, 0))
    if len(features) != len(images.rows):
        raise ValueError(
            f"{opened.name} has changed while it was read: {len(features)} of "
            f"{len(images.rows)} images could be read again."
        )
    if not np.isfinite(features).all():
        raise ValueError(
            f"The feature {feature!r} of the encoder is NaN or infinite for "
            "some images. Choose another encoder or feature."
        )
    return features


def thumbnails_of(pixels: np.ndarray, side: int) -> np.ndarray:
    """Returns square colour images, uint8 `(num_images, side, side, 3)`.

    The first three channels are taken for red, green and blue; of one or two
    channels the first is shown in grey.
    """
    from PIL import Image

    pixels = pixels[..., : 3 if pixels.shape[-1] >= 3 else 1]
    pixels = np.broadcast_to(pixels, (*pixels.shape[:3], 3))
    small = [
        np.asarray(
            Image.fromarray(np.ascontiguousarray(image)).resize(
                (side, side), Image.Resampling.BOX
            )
        )
        for image in pixels
    ]
    return np.array(small, np.uint8).reshape(-1, side, side, 3)


def _sizes(opened, report):
    """Returns the stored height and width of each image."""
    total = opened.num_images

    def size(index):
        if index % _BATCH == 0:
            report("Reading the sizes of images", index, total)
        try:
            return opened.stored_size(index)
        except (ValueError, OSError):
            # The image is reported and left out when its pixels are read.
            return 1, 1

    sizes = np.array([size(index) for index in range(total)])
    report("Reading the sizes of images", total, total)
    return sizes
