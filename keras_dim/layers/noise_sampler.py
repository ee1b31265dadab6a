"""Random indices of images with given probabilities."""

import functools

import keras
import numpy as np
from keras import ops
from keras import random

from keras_dim import checks
from keras_dim import configurable
from keras_dim import distribution
from keras_dim.layers import memory


@keras.saving.register_keras_serializable(package="keras_dim")
class NoiseSampler(configurable.Configurable, memory.StateLayer):
    """Draws from 0 to `num_outcomes - 1`, with replacement.

    Outcomes of different frequencies are drawn by the alias method, whose time
    does not depend on the number of outcomes.

    Args:
        num_outcomes: int.
        frequencies: list of floats, 0 or more, one for each outcome; or None
            for equally likely outcomes. They need not add up to 1.
        seed: int or None for a random one.

    Raises:
        ValueError: for another number of frequencies, and for frequencies that
            are negative, not finite or all 0.

    Reference: [Walker, 1977](https://doi.org/10.1145/355744.355749).
    """

    def __init__(self, num_outcomes, frequencies=None, seed=None, **kwargs):
        super().__init__(**kwargs)
        checks.integers(1, num_outcomes=num_outcomes)
        self.num_outcomes = num_outcomes
        self.frequencies = frequencies
        self.seed = seed
        self.seed_generator = random.SeedGenerator(seed)
        if frequencies is None:
            return
        self.frequencies = [float(frequency) for frequency in frequencies]
        probabilities, keep, alias = alias_table(self.frequencies)
        if len(keep) != num_outcomes:
            raise ValueError(
                f"There must be one frequency for each of {num_outcomes} "
                f"outcomes. Received: {len(keep)}"
            )
        with np.errstate(divide="ignore"):
            log_probabilities = np.log(probabilities)
        # The tables are no weights, as they follow from the arguments.
        self._log_probabilities = log_probabilities.astype("float32")
        self._keep = keep.astype("float32")
        self._alias = alias.astype("int32")

    def draw(self, batch_size, num_draws):
        """Returns int32 draws `(batch_size, num_draws)`, of this replica."""
        draw = functools.partial(
            random.randint, minval=0, maxval=self.num_outcomes
        )
        settings = batch_size, (num_draws,), self.seed_generator
        drawn = distribution.random_rows(draw, *settings)
        if self.frequencies is None:
            return drawn
        chance = distribution.random_rows(random.uniform, *settings)
        is_kept = chance < ops.take(self._keep, drawn)
        return ops.where(is_kept, drawn, ops.take(self._alias, drawn))

    def draw_beside(self, own, num_draws):
        """Returns given outcomes followed by draws, and log-probabilities.

        Both are tensors `(batch, 1 + num_draws)`, for `own` of `(batch,)`.
        """
        drawn = self.draw(ops.shape(own)[0], num_draws)
        chosen = ops.concatenate(
            [own[:, None], ops.cast(drawn, own.dtype)], axis=1
        )
        return chosen, self.log_probability(chosen)

    def log_probability(self, outcomes):
        """Returns the log-probability of each outcome, float32."""
        if self.frequencies is None:
            shape = ops.shape(outcomes)
            return ops.full(shape, -np.log(self.num_outcomes), "float32")
        return ops.take(self._log_probabilities, outcomes)


def alias_table(frequencies):
    """Returns probabilities and the table of the alias method, in linear time.

    A draw takes an outcome `k`, all equally likely, keeps it with probability
    `keep[k]`, and otherwise takes `alias[k]`. The result is arrays
    `(outcomes,)`: the probabilities and `keep`, float64, and `alias`, int.
    """
    frequencies = np.asarray(frequencies, "float64")
    total = frequencies.sum()
    if not (np.isfinite(total) and total > 0 and (frequencies >= 0).all()):
        raise ValueError(
            "Frequencies must be finite, not negative and not all 0. Received: "
            f"values from {frequencies.min()} to {frequencies.max()}"
        )
    probabilities = frequencies / total
    keep = probabilities * len(probabilities)
    alias = np.arange(len(keep))
    small = [k for k, share in enumerate(keep) if share < 1]
    large = [k for k, share in enumerate(keep) if share >= 1]
    while small and large:
        lacking, giver = small.pop(), large[-1]
        alias[lacking] = giver
        keep[giver] -= 1 - keep[lacking]
        if keep[giver] < 1:
            small.append(large.pop())
    # These are 1 up to rounding.
    keep[small + large] = 1.0
    return probabilities, keep, alias
