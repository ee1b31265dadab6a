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

# The percentiles of the values that are the ends of a measured range. Hot
# pixels and clouds beyond them would make all other values dark.
PERCENTILES = (0.1, 99.9)
# A larger share of values beyond a declared range is warned of.
MAX_BEYOND = 0.01
# Percentiles of float32 are those of about this many values of a band.
NUM_SAMPLED = 2**20
# Most values of a batch.
_BATCH_VALUES = 2**22


@dataclasses.dataclass(frozen=True)
class Statistics:
    """Statistics of a source; lists have a float for each band.

    Args:
        dtype: str. The type in which the values are stored.
        num_images: int. Number of images that were read.
        low, high: lists. The ends of the range, which become 0 and 255: the
            percentiles, or the declared range.
        mean, deviation, min, max, median: lists.
        beyond: lists. Share of the values outside of the range, from 0 to 1.
        declared: the argument `declared` of `measure`.
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
        """The `batches.ValueRange` that an encoder of these values takes."""
        return ValueRange(tuple(self.low), tuple(self.high), self.dtype)

    def to_dict(self) -> dict[str, Any]:
        """Returns the statistics as a dict for JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> "Statistics":
        """Returns the statistics of a `to_dict`.

        Raises:
            ValueError: for missing or unknown fields, or ends that are no
                range.
        """
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

    Statistics of integers are exact. Percentiles of float32 are those of about
    1,048,576 values of a band, drawn with seed 0, whose ranks are right to
    about 0.01 percent. Where both percentiles are equal, as in images that
    are nearly all black, the range is from the least to the greatest value.
    Constant bands, and bands with more than 1 percent of their values beyond a
    declared range, are warned of.

    Args:
        source: `Source`, such as `open_source(..., values="stored")`.
        declared: `(low, high)`, each a finite number or a list of one for each
            band. It becomes the range. Defaults to `None`, the percentiles.
        percentiles: pair of float. Ends of the range, from 0 to 100. Defaults
            to `(0.1, 99.9)`.

    Returns:
        `Statistics`.

    Raises:
        ValueError: for a source without readable images, for NaN in an array,
            and for a range that is not finite or has another number of bands.

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
        ends = np.array([lower, upper])
        if not (np.isfinite(ends).all() and (lower < upper).all()):
            raise ValueError(
                "A range is (low, high), each a finite number or one for each "
                f"of the {bands} bands, the lower one first. Received: "
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
                "Band %d of %s is constant, %g: nothing can be learned from "
                "it.",
                band,
                name,
                ends[0],
            )
        if found.declared is not None and share > MAX_BEYOND:
            logging.warning(
                "%.1f percent of the values of band %d of %s lie beyond the "
                "range from %g to %g. The values reach from %g to %g and are "
                "not clipped.",
                100 * share,
                band,
                name,
                found.low[band],
                found.high[band],
                *ends,
            )


class _Integers:
    """The number of times that each integer of up to 16 bits is in a band."""

    def __init__(self, bands, limits):
        self._values = np.arange(limits.min, limits.max + 1)
        self._counts = np.zeros((bands, len(self._values)), np.int64)

    def add(self, values):
        places = values.astype(np.int64) - self._values[0]
        for counts, band in zip(self._counts, places.T, strict=True):
            counts += np.bincount(band, minlength=len(counts))

    def percentiles(self, percents):
        ends = np.cumsum(self._counts, axis=1)
        # The smallest value with at least so many values up to it.
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
    """Running moments, and a random sample of the values."""

    def __init__(self, bands, share):
        self._share = share
        # Every n-th value could lie in one column of the images.
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
        # Chan's update, since sums of squares lose precision far from zero.
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
