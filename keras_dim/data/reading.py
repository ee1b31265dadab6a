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
from keras_dim.data.order import permutation
from keras_dim.data.source import Source

# Larger sources are decoded in every epoch. CIFAR-10 takes 154 MB.
HELD_BYTES = 256 * 2**20

# Number of images of a stream that are decoded ahead.
_NUM_AHEAD = 64


class Epoch:
    """The batches of one pass over a source with random access.

    Images come in the order of `rows`, or of all indices shuffled by a seed.
    One that cannot be read is left out. With `fill`, images that follow the
    batch take its place, so that every batch is whole.
    """

    def __init__(
        self,
        source: Source,
        batch_size: int,
        rows: range | np.ndarray | None = None,
        seed: int | None = None,
        fill: bool = False,
        shard: tuple[int, int] = (0, 1),
    ):
        self._source = source
        self._batch_size = batch_size
        self._rows = np.arange(source.num_images)
        if rows is not None:
            self._rows = np.array(rows, np.int64)
        elif seed is not None:
            self._rows = permutation(seed, source.num_images)
        self._rows = self._rows[shard[0] :: shard[1]]
        self._fill = fill
        self._ahead: tuple[int | None, list] = (None, [])

    def batches(
        self, numbers: range | None = None
    ) -> Iterator[dict[str, np.ndarray]]:
        """Yields the batches of some numbers, or all."""
        if numbers is None:
            numbers = range(-(-len(self._rows) // self._batch_size))
        # A batch is empty if all of its images are damaged.
        return (b for b in map(self.batch, numbers) if len(b["index"]))

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
    batch_size: int,
    rows: range | np.ndarray | None = None,
    seed: int | None = None,
    drop_remainder: bool = False,
    numbers: range | None = None,
    shard: tuple[int, int] = (0, 1),
) -> Iterator[dict[str, np.ndarray]]:
    """Yields the batches of one pass over a source.

    Args:
        source: `Source`. Images that cannot be read go to its `skipped`.
        batch_size: int. Images in a batch.
        rows: range or `None`. Reads only these indices, in their order. With
            random access it may be an array.
        seed: int or `None`. Shuffles the images, if it is given.
        drop_remainder: bool. Whether all batches must be whole.
        numbers: range or `None`. The numbers of the batches to return, from 0.
        shard: tuple of int. Number of this worker, from 0, and of all workers,
            which share the images.

    Raises:
        ValueError: if a record file is damaged.
    """
    if source.random_access:
        epoch = Epoch(source, batch_size, rows, seed, drop_remainder, shard)
        return epoch.batches(numbers)
    # Each worker reads all records, and takes its share.
    records = itertools.islice(
        source.records(rows, seed), shard[0], None, shard[1]
    )
    found = _stream(source, records, batch_size)
    if drop_remainder:
        found = (b for b in found if len(b["index"]) == batch_size)
    if numbers is not None:
        found = itertools.islice(found, numbers.start, numbers.stop)
    return found


def held_in_memory(source: Source) -> Source:
    """Returns the source with its images decoded, if they fit `HELD_BYTES`.

    Raises:
        ValueError: if no image can be read.
    """
    if source.decoded:
        return source
    is_held = source.num_images * np.prod(source.image_shape) <= HELD_BYTES
    found = batches(source, 256 if is_held else 1)
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


def _stream(source, records, batch_size):
    """Yields batches of a source that is read one record after the other."""
    whole = _whole(source, _decoded_ahead(source, records))
    while images := list(itertools.islice(whole, batch_size)):
        yield source.batch(images)


def _decoded_ahead(source, records):
    pending = collections.deque()
    for index, label, encoded in records:
        image = _threads().submit(source.image, encoded)
        pending.append((index, label, image))
        if len(pending) > _NUM_AHEAD:
            yield pending.popleft()
    yield from pending


def _whole(source: Source, images: Iterable[tuple]) -> Iterator[Any]:
    """Yields the images that can be read, and skips the others."""
    for index, label, future in images:
        try:
            yield index, label, future.result()
        except (OSError, ValueError) as error:
            source.skip(source.place(index), str(error))


@functools.cache
def _threads():
    return concurrent.futures.ThreadPoolExecutor(
        thread_name_prefix="keras_dim_decoding"
    )
