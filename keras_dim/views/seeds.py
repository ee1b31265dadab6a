"""Seeds for the parts of a whole that has one seed."""

import numpy as np


def seeds_from(seed, count):
    """Returns `count` seeds that draw apart from each other, and from `seed`.

    Layers of one seed would all draw the same numbers.

    Args:
        seed: int, not negative, or None for random ones.
        count: int. How many.

    Returns:
        List of int or, of None, of None.
    """
    if seed is None:
        return [None] * count
    states = np.random.SeedSequence(seed).generate_state(count)
    # Keras keeps seeds as int32 on some backends.
    return [int(state >> 1) for state in states]
