"""Ranges of stored values that are not pixels from 0 to 255."""

import dataclasses
import warnings
from typing import Any

import numpy as np

# The types in which values are stored and read. All others become float32,
# which is exact for whole numbers of up to 24 bits.
DTYPES = ("uint8", "uint16", "int16", "float32")
# White, on the scale of 8 bits.
WHITE = 255.0
# About so many values of each band are checked in a batch.
NUM_SAMPLED = 2**14
# Largest share of values that may lie outside of the range by more than its
# width.
MAX_FAR = 0.01


@dataclasses.dataclass(frozen=True)
class ValueRange:
    """The stored values of each band that are mapped to 0 and 255.

    An encoder of stored values `v` maps them to `255 * (v - low) / (high -
    low)`, without clipping. A band whose `low` equals its `high` is constant:
    it is mapped to 0 and not checked.

    Args:
        low, high: tuples of float, one entry for each band.
        dtype: str. One of `DTYPES`, in which the values are stored.

    Raises:
        ValueError: for ends that are not finite or not in order, and for
            another dtype.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]
    dtype: str = "float32"

    def __post_init__(self):
        low, high = np.array(self.low, float), np.array(self.high, float)
        is_range = low.ndim == 1 and low.size and low.shape == high.shape
        is_finite = np.isfinite(low).all() and np.isfinite(high).all()
        if not (is_range and is_finite and (low <= high).all()):
            raise ValueError(
                "A range of values is a finite low and high end for each band, "
                f"the lower one first. Received: low={self.low}, "
                f"high={self.high}"
            )
        if self.dtype not in DTYPES:
            raise ValueError(
                f"Values are stored as one of {DTYPES}. Received: {self.dtype}"
            )
        object.__setattr__(self, "low", tuple(low.tolist()))
        object.__setattr__(self, "high", tuple(high.tolist()))

    @property
    def affine(self) -> tuple[list[float], list[float]]:
        """Scales and offsets, from stored values to the scale of 8 bits."""
        low, high = np.array(self.low), np.array(self.high)
        scales = np.where(high > low, WHITE, 0.0) / np.where(
            high > low, high - low, 1.0
        )
        return scales.tolist(), (-low * scales).tolist()

    def in_8_bits(self, images: np.ndarray) -> np.ndarray:
        """Returns images for display, uint8, clipped to the range.

        Takes an array of any shape whose last axis is the bands.
        """
        if images.shape[-1] != len(self.low):
            raise ValueError(
                f"The range has {len(self.low)} band(s). Received images of "
                f"{images.shape[-1]}"
            )
        scales, offsets = (np.array(x, np.float32) for x in self.affine)
        pixels = images.astype(np.float32) * scales + offsets
        return np.rint(pixels.clip(0, WHITE)).astype(np.uint8)

    def example(self, num_images: int, size: tuple[int, int]) -> np.ndarray:
        """Returns random images within the range, with seed 0."""
        shape = num_images, *size, len(self.low)
        images = np.random.default_rng(0).uniform(self.low, self.high, shape)
        is_whole = self.dtype != "float32"
        return (np.rint(images) if is_whole else images).astype(self.dtype)

    def check(self, images: np.ndarray, dtype: str, who: str) -> None:
        """Refuses images whose values cannot be those of this range.

        These are NaN and infinity; fractions in [-1, 1] where the range is
        wider than 2; and images in which more than 1 in 100 values of a band
        lie outside of the range by more than its width. Images that use less
        than 1/255 of the range are warned about.

        Args:
            images: array `(num_images, height, width, bands)`.
            dtype: str. The type of the images before they became this array.
            who: str. Name of the caller, for the message.

        Raises:
            ValueError: for such images, and for another number of bands.
        """
        low, high = np.array(self.low), np.array(self.high)
        bands, is_used = images.shape[-1], high > low
        message = f"{who} expects stored values"
        if bands != len(low):
            raise ValueError(
                f"{message} of {len(low)} band(s). Received images of {bands}"
            )
        # Image widths are mostly even: an odd step reaches all columns.
        step = max(1, images.size // bands // NUM_SAMPLED) | 1
        sample = images.reshape(-1, bands)[::step, is_used].astype("float32")
        low, high = low[is_used], high[is_used]
        if not sample.size:
            return
        ranges = [f"{a:g} to {b:g}" for a, b in zip(low, high, strict=True)]
        stated = ", ".join(list(dict.fromkeys(ranges))[:3])
        message += f" of about {stated}. Received {dtype} values from "
        message += f"{sample.min():g} to {sample.max():g}"
        is_float = dtype.startswith(("float", "bfloat"))
        if is_float and not np.isfinite(images).all():
            raise ValueError(f"{message}: images must be finite")
        width = high - low
        is_small = is_float and width.max() > 2 and abs(sample).max() <= 1
        if is_small and (sample != np.rint(sample)).any():
            raise ValueError(
                f"{message}: pass values as they are stored, which the encoder "
                "scales itself"
            )
        is_far = (sample < low - width) | (sample > high + width)
        if (is_far.mean(axis=0) > MAX_FAR).any():
            raise ValueError(
                f"{message}: they are stored in other units, or the range was "
                "declared too small"
            )
        extent = np.ptp(sample, axis=0) / width
        if len(images) > 1 and (extent < 1 / WHITE).all():
            warnings.warn(f"{message}, which is nearly constant", stacklevel=4)


def dtype_of(dtype: Any, name: str) -> str:
    """Returns the type in which numbers of a type are read, of `DTYPES`."""
    dtype = np.dtype(dtype)
    if dtype.kind not in "iuf":
        raise ValueError(
            f"The images of {name} must be numbers. Received: {dtype}"
        )
    native = dtype.newbyteorder("=").name
    return native if native in DTYPES else "float32"
