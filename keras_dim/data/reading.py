"""Batches of a source in a fixed order, decoded ahead."""

import itertools
from collections.abc import Iterator

import numpy as np

from keras_dim.data.arrays import ArraySource
from keras_dim.data.source import Source

# Larger sources are decoded anew in every epoch. CIFAR-10 takes 154 MB.
HELD_BYTES = 256 * 2**20


class Epoch:
    """The batches of one pass over a source.

    Args:
        source: `Source`. Images that cannot be read are left out and added to
            its `skipped`.
        batch_size: int. Images in a batch.
        rows: range, array or `None`. The indices to read, in their order.
            Defaults to `None`, all of them.
        seed: int or `None`. Shuffles all images. Defaults to `None`.
        fill: bool. Whether other images of the epoch replace those that cannot
            be read, so that every batch is full. Defaults to `False`.
    """

    def __init__(
        self,
        source: Source,
        batch_size: int,
        rows: range | np.ndarray | None = None,
        seed: int | None = None,
        fill: bool = False,
    ):
        self._source = source
        self._batch_size = batch_size
        self._rows = np.arange(source.num_images)
        if rows is not None:
            self._rows = np.array(rows, np.int64)
        elif seed is not None:
            self._rows = permutation(seed, source.num_images)
        self._fill = fill
        self._ahead: tuple[int | None, list] = (None, [])

    def batches(
        self, numbers: range | None = None
    ) -> Iterator[dict[str, np.ndarray]]:
        """Yields the batches of these numbers, or all, but no empty ones."""
        if numbers is None:
            numbers = range(-(-len(self._rows) // self._batch_size))
        return (b for b in map(self.batch, numbers) if len(b["index"]))

    def batch(self, number: int) -> dict[str, np.ndarray]:
        """Returns one batch, counted from 0, and decodes the next one ahead."""
        begin = number * self._batch_size
        end = begin + self._batch_size
        if self._source.decoded:
            return self._source.read(self._rows[begin:end])
        submit = self._source.submit
        ahead, items = self._ahead
        if ahead != number:
            items = list(submit(self._rows[begin:end]))
        following = self._rows[end : end + self._batch_size]
        self._ahead = number + 1, list(submit(following))
        if self._fill:
            items = itertools.chain(
                items, submit(self._rows[end:]), submit(self._rows[:begin])
            )
        return self._source.join(items, self._batch_size)


def epoch_seed(seed: int, epoch: int) -> int:
    """Returns the seed of an epoch, independent of that of other epochs."""
    # NumPy promises that the numbers of SeedSequence never change.
    state = np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)
    return int(state[0] >> np.uint64(1))


def permutation(seed: int, size: int) -> np.ndarray:
    """Returns a random permutation of `range(size)`, int64."""
    # Generator.permutation may change between versions of NumPy.
    keys = np.random.Philox(seed).random_raw(size)
    return np.argsort(keys, kind="stable").astype(np.int64)


def held_in_memory(source: Source) -> Source:
    """Returns the source with all images decoded, if `HELD_BYTES` hold them.

    Raises:
        ValueError: if no image can be read.
    """
    if source.decoded:
        return source
    size = np.prod(source.image_shape) * np.dtype(source.dtype).itemsize
    is_held = source.num_images * size <= HELD_BYTES
    found = Epoch(source, 256 if is_held else 1).batches()
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
        dtype=source.dtype,
    )
