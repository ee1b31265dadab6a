"""The range and other statistics of the values that a source stores."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from absl import logging

from keras_dim import checks
from keras_dim.batches import ValueRange
from keras_dim.data.reading import Epoch
from keras_dim.data.source import Source

# The share of values, in percent, that the measured range leaves out at its
# lower and from its upper end: hot pixels and clouds would make the rest dark.
PERCENTILES = (0.1, 99.9)
# Share of values beyond a declared range that is warned of.
MAX_BEYOND = 0.01
# Most values of a band that percentiles of float32 are taken from.
NUM_SAMPLED = 2**20
# Most values of a batch.
_BATCH_VALUES = 2**22


@dataclasses.dataclass(frozen=True)
class Statistics:
    """Statistics of each band of a source, as lists of float.

    `low` and `high` are the ends of the range that becomes 0 and 255: the
    percentiles, or the declared range, which `declared` keeps. `beyond` is the
    share of values outside.
    """

    dtype: str
    num_images: int
    low: list[float]
    high: list[float]
    mean: list[float]
    deviation: list[float]
    min: list[float]
    max: list[float]
    median: list[float]
    beyond: list[float]
    declared: Any = None

    @property
    def range(self) -> ValueRange:
        """The range of values that an encoder takes."""
        return ValueRange(tuple(self.low), tuple(self.high), self.dtype)

    def to_dict(self) -> dict[str, Any]:
        """Returns the statistics as a dict for JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> "Statistics":
        """Returns the statistics of a `to_dict`; others are a `ValueError`."""
        checks.keywords(cls, fields, "Statistics of stored values")
        missing = set(cls.__dataclass_fields__) - {*fields, "declared"}
        if missing:
            raise ValueError(
                f"Statistics of stored values lack {sorted(missing)}"
            )
        found = cls(**fields)
        _ = found.range  # Checks the ends.
        return found


def measure(
    source: Source,
    declared: Any = None,
    percentiles: tuple[float, float] = PERCENTILES,
) -> Statistics:
    """Measures the values of each band, in one pass and bounded memory.

    Of integers all is exact. Percentiles of float32 are those of up to
    1,048,576 values of a band, drawn with seed 0: the rank of one is right to
    about 0.01 percent. Where both percentiles are equal, as in images that
    are nearly all black, the range is from the least to the greatest value.

    Args:
        source: `Source`, such as `open_source(..., values="stored")`.
        declared: `(low, high)`, each a number or a list of one for each band,
            which becomes the range instead of percentiles. Defaults to `None`.
        percentiles: pair of float. Ends of the range. Defaults to
            `(0.1, 99.9)`.

    Constant bands, and those of which more than 1 percent lie beyond a declared
    range, are warned of.

    Raises:
        ValueError: for a source without an image that can be read, NaN, and a
            range that does not fit.

    Example:
    ```python
    source = keras_dim.data.open_source("tiles", values="stored")
    print(keras_dim.data.measure(source).mean)
    ```
    """
    low, high = percentiles
    checks.between(0, 100, percentiles=low)
    checks.between(low, 100, percentiles=high)
    bands = source.image_shape[-1]
    size = source.image_shape[0] * source.image_shape[1]
    tally = (
        _Floats(bands, NUM_SAMPLED / (source.num_images * size))
        if source.dtype == "float32"
        else _Integers(bands, np.iinfo(source.dtype))
    )
    num_images = 0
    batch_size = max(1, _BATCH_VALUES // (size * bands))
    for batch in Epoch(source, batch_size).batches():
        values = batch["image"].reshape(-1, bands)
        tally.add(values)
        num_images += len(batch["image"])
    if not num_images:
        raise ValueError(f"No image of {source.name} can be read.")
    found = tally.percentiles([low, 50.0, high])
    mean, deviation, least, most = tally.moments()
    is_flat = found[0] == found[2]
    lower = np.where(is_flat, least, found[0])
    upper = np.where(is_flat, most, found[2])
    if declared is not None:
        try:
            lower, upper = (
                np.broadcast_to(np.asarray(end, float), (bands,))
                for end in declared
            )
        except (TypeError, ValueError):
            lower = upper = np.zeros(bands)
        if not (lower < upper).all():
            raise ValueError(
                "A range is (low, high), each one number or one for each of "
                f"the {bands} bands, the lower one first. Received: "
                f"{declared!r}"
            )
    columns = {
        "low": lower,
        "high": upper,
        "mean": mean,
        "deviation": deviation,
        "min": least,
        "max": most,
        "median": found[1],
        "beyond": tally.share_beyond(lower, upper),
    }
    statistics = Statistics(
        dtype=source.dtype,
        num_images=num_images,
        declared=declared,
        **{name: np.asarray(c, float).tolist() for name, c in columns.items()},
    )
    _warn(statistics, source.name)
    return statistics


def _warn(found, name):
    """Warns of bands that are constant or lie beyond a declared range."""
    for band, share in enumerate(found.beyond):
        ends = found.min[band], found.max[band]
        if ends[0] == ends[1]:
            logging.warning(
                "Band %d of %s is constant, %g: it teaches nothing.",
                band,
                name,
                ends[0],
            )
        if found.declared is not None and share > MAX_BEYOND:
            logging.warning(
                "%.1f percent of the values of band %d of %s lie beyond the "
                "range from %g to %g: they reach from %g to %g, and are not "
                "clipped.",
                100 * share,
                band,
                name,
                found.low[band],
                found.high[band],
                *ends,
            )


class _Integers:
    """Counts of every whole number of at most 16 bits, band by band."""

    def __init__(self, bands, limits):
        self._values = np.arange(limits.min, limits.max + 1)
        self._counts = np.zeros((bands, len(self._values)), np.int64)

    def add(self, values):
        places = values.astype(np.int64) - self._values[0]
        for counts, band in zip(self._counts, places.T, strict=True):
            counts += np.bincount(band, minlength=len(counts))

    def percentiles(self, percents):
        ends = np.cumsum(self._counts, axis=1)
        # The least value with so many at or below it.
        ranks = np.ceil(np.multiply(percents, ends[0, -1] / 100)).clip(1)
        return np.array(
            [self._values[np.searchsorted(end, ranks)] for end in ends]
        ).T

    def moments(self):
        total = self._counts.sum(axis=1)
        mean = self._counts @ self._values / total
        square = (self._values - mean[:, None]) ** 2
        deviation = np.sqrt((self._counts * square).sum(axis=1) / total)
        seen = [np.flatnonzero(counts) for counts in self._counts]
        ends = np.array([[each[0], each[-1]] for each in seen])
        return mean, deviation, *self._values[ends].T

    def share_beyond(self, low, high):
        values = self._values
        is_beyond = (values < low[:, None]) | (values > high[:, None])
        counts = self._counts
        return (counts * is_beyond).sum(axis=1) / counts.sum(axis=1)


class _Floats:
    """Running moments, and a random share of the values."""

    def __init__(self, bands, share):
        self._share = share
        # Every n-th value could be always the same column of an image.
        self._draw = np.random.default_rng(0).random
        self._count, self._sampled = 0, []
        self._mean, self._square = np.zeros(bands), np.zeros(bands)
        self._least = np.full(bands, np.inf)
        self._most = np.full(bands, -np.inf)

    def add(self, values):
        self._sampled.append(values[self._draw(len(values)) < self._share])
        values = values.astype(np.float64)
        count, mean = len(values), values.mean(axis=0)
        moved, before = mean - self._mean, self._count
        # Chan's update: sums of squares would cancel far from zero.
        self._count += count
        self._mean += moved * count / self._count
        self._square += ((values - mean) ** 2).sum(axis=0)
        self._square += moved**2 * before * count / self._count
        self._least = np.minimum(self._least, values.min(axis=0))
        self._most = np.maximum(self._most, values.max(axis=0))

    def percentiles(self, percents):
        self._sampled = [np.concatenate(self._sampled)]
        return np.percentile(self._sampled[0], percents, axis=0)

    def moments(self):
        deviation = np.sqrt(self._square / self._count)
        return self._mean, deviation, self._least, self._most

    def share_beyond(self, low, high):
        (values,) = self._sampled
        return ((values < low) | (values > high)).mean(axis=0)
