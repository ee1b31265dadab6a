"""Defects of images that plain statistics find, without an encoder."""

import dataclasses
from collections.abc import Mapping

import numpy as np

from keras_dim import checks
from keras_dim.curation import alignment


@dataclasses.dataclass(frozen=True)
class Defect:
    """One kind of defect: a value that each image has, and its limit.

    Attributes:
        title: str. Name of the defect, for readers.
        value: str. Name of the value, with its unit.
        limit: float. Default of the value beyond which an image is flagged.
        is_above: bool. Whether larger values are flagged, or smaller ones.
    """

    title: str
    value: str
    limit: float
    is_above: bool


# The limits are conventions: on CIFAR-10's test images and Imagenette's they
# flag hardly any, see `docs/report.md`.
DEFECTS = {
    "dark": Defect("Dark", "95th percentile of luminance", 64, False),
    "bright": Defect("Bright", "5th percentile of luminance", 191, True),
    "blurred": Defect(
        "Blurred", "share of pixel differences that more blur leaves", 0.6, True
    ),
    "low_information": Defect(
        "Low information", "entropy of luminance in bits", 2, False
    ),
    "grey": Defect(
        "Grey among colour", "mean range of a pixel's channels", 2, False
    ),
    "odd_size": Defect(
        "Odd size", "factor from the median side, up or down", 3, True
    ),
    "odd_aspect": Defect("Odd aspect", "long side over short side", 3, True),
}
_BLUR_WINDOW = 5


def measure(images: np.ndarray) -> dict[str, np.ndarray]:
    """Returns the values of the defects that pixels show.

    Call it on batches of images of about 128 pixels a side, and join the
    results: larger images are measured more slowly, and to another scale.

    Args:
        images: uint8 array `(num_images, height, width[, channels])`.

    Returns:
        dict of float32 arrays `(num_images,)`:

        * `"dark"` and `"bright"`: the 95th and the 5th percentile of the
          luminance, 0 to 255.
        * `"low_information"`: the entropy of the histogram of the luminance
          in 256 bins, in bits.
        * `"grey"`: the mean over pixels of the largest channel minus the
          smallest, 0 to 255; infinity for images of one channel.
        * `"blurred"`: the share of the differences between neighbouring
          pixels that a moving average over 5 pixels leaves, the larger of the
          shares along both axes. A sharp image loses most of them: 0 is
          sharp, 1 blurred. A blank image has 0.

    Raises:
        ValueError: for another shape or type.

    Reference: for `"blurred"`, Crete et al., The Blur Effect, SPIE 6492, 2007.
    """
    grey = alignment.luminance(images)
    images = np.asarray(images)
    flat = np.rint(grey).astype(np.int64).reshape(len(grey), -1)
    dark, bright = np.percentile(flat, [95, 5], axis=1)
    ranges = np.full(len(grey), np.inf)
    if images.ndim == 4 and images.shape[-1] > 1:
        # Not by subtraction of uint8, which wraps.
        ranges = images.max(axis=-1).astype(np.float32) - images.min(axis=-1)
        ranges = ranges.mean(axis=(1, 2))
    values = {
        "dark": dark,
        "bright": bright,
        "blurred": np.maximum(_blur(grey, 1), _blur(grey, 2)),
        "low_information": np.array([_entropy(pixels) for pixels in flat]),
        "grey": ranges,
    }
    return {name: x.astype(np.float32) for name, x in values.items()}


def defects(
    measures: Mapping[str, np.ndarray],
    sizes: np.ndarray | None = None,
    limits: Mapping[str, float] | None = None,
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Flags the images whose values are beyond the limits.

    Args:
        measures: mapping as of `measure`, of all images.
        sizes: array `(num_images, 2)`. Height and width as stored. Defaults to
            None: sizes are not judged.
        limits: mapping from names of `DEFECTS` to limits other than theirs.

    Returns:
        dict from names of `DEFECTS` to the values, float32 `(num_images,)`,
        and whether each image is flagged, bool `(num_images,)`. `"grey"`
        images are flagged only where fewer than half of all are grey.

    Raises:
        ValueError: for an unknown limit or one that is NaN, sizes that are not
            positive, and values of another number of images.
    """
    values = dict(measures)
    if sizes is not None:
        sizes = np.asarray(sizes, np.float64)
        checks.shape((None, 2), sizes=sizes)
        if not np.all(sizes > 0):
            raise ValueError(
                f"`sizes` must be positive. Received: {sizes.min():g}"
            )
        factors = np.log(np.sqrt(sizes.prod(axis=1)))
        factors = np.exp(np.abs(factors - np.median(factors)))
        values["odd_size"] = factors.astype(np.float32)
        aspect = sizes.max(axis=1) / sizes.min(axis=1)
        values["odd_aspect"] = aspect.astype(np.float32)
    limits = dict(limits or {})
    for name in {**values, **limits}:
        checks.one_of(DEFECTS, defect=name)
    if nan := [name for name, limit in limits.items() if np.isnan(limit)]:
        raise ValueError(f"`limits` must be numbers. Received NaN for {nan}")
    values = {name: np.asarray(value) for name, value in values.items()}
    checks.shape((len(next(iter(values.values()), ())),), **values)
    found = {}
    for name, value in values.items():
        limit = limits.get(name, DEFECTS[name].limit)
        beyond = value > limit if DEFECTS[name].is_above else value < limit
        if name == "grey" and 2 * beyond.sum() >= len(beyond):
            beyond = np.zeros_like(beyond)
        found[name] = value, beyond
    return found


def _blur(grey, axis):
    """Returns the share of differences along an axis that averaging leaves."""
    from scipy import ndimage

    average = ndimage.uniform_filter1d(
        grey, _BLUR_WINDOW, axis=axis, mode="nearest"
    )
    before, after = (np.abs(np.diff(x, axis=axis)) for x in (grey, average))
    lost = np.maximum(before - after, 0).sum(axis=(1, 2))
    total = before.sum(axis=(1, 2))
    return np.where(total > 0, 1 - lost / np.where(total > 0, total, 1), 0)


def _entropy(pixels):
    shares = np.bincount(pixels, minlength=256) / len(pixels)
    shares = shares[shares > 0]
    return -np.sum(shares * np.log2(shares))
