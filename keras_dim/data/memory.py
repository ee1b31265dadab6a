"""Small sources are decoded once and held in memory."""

import numpy as np

from keras_dim.data.arrays import ArraySource
from keras_dim.data.in_order import batches_in_order
from keras_dim.data.source import Source

# Decoded sources up to this size are held. All of CIFAR-10's training set
# takes 154 MB.
HELD_BYTES = 256 * 2**20

_BATCH_SIZE = 256


def held_in_memory(source: Source) -> Source:
    """The source with its images decoded, if that takes little memory.

    Otherwise the source itself, of which one image has been decoded to be
    sure that there is one.

    Args:
        source: `Source`. What it cannot decode is added to its `skipped`.

    Raises:
        ValueError: if no image can be decoded.
    """
    if source.decoded:
        return source
    num_bytes = source.num_images * int(np.prod(source.image_shape))
    small = num_bytes <= HELD_BYTES
    if not small and source.exact:
        return source
    try:
        if small:
            return _decode(source)
        next(batches_in_order(source, 1))
        return source
    except StopIteration:
        raise ValueError(_none_left(source)) from None


def _decode(source):
    images = np.empty((source.num_images, *source.image_shape), np.uint8)
    tags = {"index": np.empty(source.num_images, np.int64)}
    if source.has_labels:
        tags["label"] = np.empty(source.num_images, np.int64)
    count = 0
    for batch in batches_in_order(source, _BATCH_SIZE):
        rows = slice(count, count + len(batch["index"]))
        images[rows] = batch["image"]
        for key, values in tags.items():
            values[rows] = batch[key]
        count = rows.stop
    if not count:
        raise ValueError(_none_left(source))
    images = images[:count]
    tags = {key: values[:count] for key, values in tags.items()}
    # Files that are read in turns do not come in the order of the indices.
    order = np.argsort(tags["index"], kind="stable")
    if np.any(np.diff(order) != 1):
        images = images[order]
        tags = {key: values[order] for key, values in tags.items()}
    return ArraySource(
        source.name,
        images,
        tags.get("label"),
        index=tags["index"],
        class_names=source.class_names,
        paths=source.paths,
    )


def _none_left(source):
    return (
        f"No image of {source.name} can be decoded "
        f"({len(source.skipped)} skipped, the first: "
        f"{source.skipped[0] if source.skipped else 'none'})."
    )
