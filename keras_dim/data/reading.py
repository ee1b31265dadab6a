"""Batches of a source, decoded in threads, on any backend."""

import collections
import concurrent.futures
import functools
import itertools
from collections.abc import Iterable
from collections.abc import Iterator
from typing import Any

import numpy as np

from keras_dim.data.arrays import ArraySource
from keras_dim.data.order import Order
from keras_dim.data.source import Source

# Larger sources are decoded in every epoch. CIFAR-10 takes 154 MB.
HELD_BYTES = 256 * 2**20

# Number of images of a stream that are decoded ahead.
_NUM_AHEAD = 64


class Epoch:
    """The batches of one pass over a source with random access.

    An image that cannot be read is left out. With `fill`, images that follow
    the batch take its place, so that every batch is whole.
    """

    def __init__(
        self, source: Source, order: Order, batch_size: int, fill: bool
    ):
        self._source = source
        self._rows = order.indices(source.num_images)
        self._batch_size = batch_size
        self._fill = fill
        self._ahead: tuple[int | None, list] = (None, [])

    def __iter__(self) -> Iterator[dict[str, np.ndarray]]:
        for number in range(-(-len(self._rows) // self._batch_size)):
            yield self.batch(number)

    def batch(self, number: int) -> dict[str, np.ndarray]:
        """Returns the batch of a number from 0, decoding the next one ahead."""
        begin = number * self._batch_size
        end = begin + self._batch_size
        if self._source.decoded:
            return self._source.read(self._rows[begin:end])
        ahead, images = self._ahead
        if ahead != number:
            images = list(self._decode(self._rows[begin:end]))
        following = self._rows[end : end + self._batch_size]
        self._ahead = number + 1, list(self._decode(following))
        if self._fill:
            images = itertools.chain(
                images,
                self._decode(self._rows[end:]),
                self._decode(self._rows[:begin]),
            )
        whole = _whole(self._source, images)
        return self._source.batch(
            list(itertools.islice(whole, self._batch_size))
        )

    def _decode(self, rows):
        for row in rows.tolist():
            image = _threads().submit(self._source.image, row)
            yield row, self._source.label(row), image


def batches(
    source: Source,
    order: Order,
    batch_size: int,
    drop_remainder: bool = False,
    numbers: range | None = None,
) -> Iterator[dict[str, np.ndarray]]:
    """Yields the batches of one pass over a source, or those of some numbers.

    Images that cannot be read are added to the source's `skipped`.

    Raises:
        ValueError: if a record file is damaged.
    """
    if source.random_access:
        epoch = Epoch(source, order, batch_size, drop_remainder)
        found = map(epoch.batch, numbers) if numbers else iter(epoch)
        # A batch is empty if all of its images are damaged.
        return (batch for batch in found if len(batch["index"]))
    found = _stream(source, order, batch_size, drop_remainder)
    if numbers:
        found = itertools.islice(found, numbers.start, numbers.stop)
    return found


def batches_in_order(
    source: Source, batch_size: int, rows: range | None = None
) -> Iterator[dict[str, np.ndarray]]:
    """Yields the images of some indices (all by default), in their order."""
    return batches(source, Order(rows=rows), batch_size)


def held_in_memory(source: Source) -> Source:
    """Returns the source with its images decoded, if they fit `HELD_BYTES`.

    Raises:
        ValueError: if no image can be read.
    """
    if source.decoded:
        return source
    is_held = source.num_images * np.prod(source.image_shape) <= HELD_BYTES
    found = batches(source, Order(), 256 if is_held else 1)
    if not is_held and (source.exact or any(found)):
        return source
    found = list(found)
    if not found:
        raise ValueError(
            f"No image of {source.name} can be decoded "
            f"({len(source.skipped)} skipped, the first: "
            f"{source.skipped[0] if source.skipped else 'none'})."
        )
    columns = {
        name: np.concatenate([batch.pop(name) for batch in found])
        for name in list(found[0])
    }
    return ArraySource(
        name=source.name,
        num_images=len(columns["index"]),
        image_shape=source.image_shape,
        images=columns["image"],
        index=columns["index"],
        labels=columns.get("label"),
        class_names=source.class_names,
        paths=source.paths,
    )


def _stream(source, order, batch_size, drop_remainder):
    """Yields batches of a source that is read one record after the other."""
    whole = _whole(source, _decoded_ahead(source, order))
    while images := list(itertools.islice(whole, batch_size)):
        if len(images) < batch_size and drop_remainder:
            return
        yield source.batch(images)


def _decoded_ahead(source, order):
    pending = collections.deque()
    for index, label, encoded in source.records(order):
        image = _threads().submit(source.image, encoded)
        pending.append((index, label, image))
        if len(pending) > _NUM_AHEAD:
            yield pending.popleft()
    yield from pending


def _whole(source: Source, images: Iterable[tuple]) -> Iterator[Any]:
    """Yields the images that can be read, and skips the others."""
    for index, label, future in images:
        try:
            image = future.result()
        except (OSError, ValueError) as error:
            source.skip(source.place(index), str(error))
        else:
            yield index, label, image


@functools.cache
def _threads():
    return concurrent.futures.ThreadPoolExecutor(
        thread_name_prefix="keras_dim_decoding"
    )
