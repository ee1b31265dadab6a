"""The order of an epoch: a pure function of a seed and the epoch's number."""

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np


def epoch_seed(seed: int, epoch: int) -> int:
    """Returns the seed of one epoch, unrelated to that of the next one."""
    # NumPy promises never to change the numbers of SeedSequence.
    state = np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)
    return int(state[0] >> np.uint64(1))


def permutation(seed: int, size: int) -> np.ndarray:
    """Returns a random permutation of `range(size)`."""
    # Unlike those of Generator.permutation, these numbers never change.
    keys = np.random.Philox(seed).random_raw(size)
    return np.argsort(keys, kind="stable").astype(np.int64)


def shuffled(
    items: Iterator[Any], seed: int, buffer_size: int
) -> Iterator[Any]:
    """Yields the items of a stream, shuffled through a buffer."""
    random = np.random.Philox(seed)
    buffer = list(itertools.islice(items, buffer_size))
    for item in items:
        place = random.random_raw() % buffer_size
        yield buffer[place]
        buffer[place] = item
    yield from (buffer[place] for place in permutation(seed, len(buffer)))
