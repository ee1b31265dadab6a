"""Measures of features that need no labels."""

import dataclasses
from collections.abc import Callable

import numpy as np

from keras_dim import evaluation

# The singular values of more rows take minutes.
MOST_ROWS = 5000


@dataclasses.dataclass(frozen=True)
class Measure:
    """A number computed from features; `reading` says how to interpret it."""

    title: str
    function: Callable[[np.ndarray], float]
    reading: str


def share_of_dead_units(features: np.ndarray) -> float:
    """Returns the share of units with a standard deviation near 0.

    That is at most a thousandth of the largest deviation of all units.
    `features` is an array `(num_images, units)`.
    """
    deviations = evaluation.deviations(features)
    return float(np.mean(deviations <= 1e-3 * deviations.max()))


MEASURES = {
    "effective_rank": Measure(
        "Effective rank",
        evaluation.effective_rank,
        "The number of directions in which the features vary, if all varied "
        "equally. Near 1, the features have collapsed. Compare only equal "
        "numbers of images.",
    ),
    "rank_me": Measure(
        "RankMe",
        evaluation.rank_me,
        "The same by singular values, without subtracting the mean.",
    ),
    "uniformity": Measure(
        "Uniformity",
        evaluation.uniformity,
        "0 if all features have one direction, about -4 if they are spread "
        "over all directions.",
    ),
    "relative_deviation": Measure(
        "Relative deviation",
        evaluation.relative_deviation,
        "Size of the differences between images, relative to the features. "
        "Near 0, all images have the same features.",
    ),
    "dead_units": Measure(
        "Share of dead units",
        share_of_dead_units,
        "Units that hardly vary between images. Near 1, little is encoded.",
    ),
}


def measure_all(features: np.ndarray, seed: int = 0) -> dict[str, float]:
    """Returns every measure of `MEASURES`, of at most 5,000 random rows."""
    if len(features) < 2:
        return {}
    rows = np.random.default_rng(seed).permutation(len(features))[:MOST_ROWS]
    sample = features[np.sort(rows)]
    return {name: each.function(sample) for name, each in MEASURES.items()}
