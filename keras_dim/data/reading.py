"""Reads a source once: in its order, or into memory."""

from collections.abc import Iterator

import numpy as np

from keras_dim.data.arrays import ArraySource
from keras_dim.data.order import Order
from keras_dim.data.source import Source
from keras_dim.data.tensorflow_tools import damage_in_one_line
from keras_dim.data.tensorflow_tools import without_autotuning

# Decoded sources up to this size are held. All of CIFAR-10's training set
# takes 154 MB.
HELD_BYTES = 256 * 2**20

_BATCH_SIZE = 256


def batches_in_order(
    source: Source, batch_size: int, rows: range | None = None
) -> Iterator[dict[str, np.ndarray]]:
    """Yields images of a source once, as arrays, on any backend.

    Args:
        source: `Source`. Images that cannot be decoded are added to its
            `skipped`.
        batch_size: int. Images in a batch; the last may have fewer.
        rows: range or `None`. The indices of the images, which then come in
            the order of these. `None` is all of them, in the source's own
            order, which for several record files is another.

    Raises:
        ValueError: if a record file is damaged.
    """
    order = Order(rows=rows)
    if source.uses_tensorflow:
        batches = source.batches(order, batch_size, drop_remainder=False)
        with damage_in_one_line(source.name):
            yield from without_autotuning(batches).as_numpy_iterator()
    else:
        from keras_dim.data.numpy_batches import Pass

        yield from Pass(source, order, batch_size, fill=False)


def held_in_memory(source: Source) -> Source:
    """The source with its images decoded, if that takes little memory.

    Otherwise the source itself, of which one image has been decoded to be
    sure that there is one.

    Args:
        source: `Source`. Images that cannot be decoded are added to its
            `skipped`.

    Raises:
        ValueError: if no image can be decoded.
    """
    if source.decoded:
        return source
    num_bytes = source.num_images * int(np.prod(source.image_shape))
    if num_bytes <= HELD_BYTES:
        return _decoded(source)
    if not source.exact and not any(batches_in_order(source, 1)):
        raise ValueError(_none_left(source))
    return source


def _decoded(source):
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
