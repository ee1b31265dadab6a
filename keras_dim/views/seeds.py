"""Separate seeds, derived from one."""

import numpy as np


def seeds_from(seed, count):
    """Returns `count` different seeds, none of them `seed` itself.

    Layers that share one seed would all draw the same numbers.

    Args:
        seed: int, not negative, or None, which gives a list of None.
        count: int.
    """
    if seed is None:
        return [None] * count
    states = np.random.SeedSequence(seed).generate_state(count)
    # Keras keeps seeds as int32 on some backends.
    return [int(state >> 1) for state in states]
