"""The correlation of two images, one of them cropped and perhaps mirrored."""

import numpy as np

from keras_dim import checks

# Images are compared as so many grey values a side, their crops as half.
SIDE = 32
_CROP_SIDE = 16
# Share of the side that a crop keeps. Crops start at most one grey value apart:
# with larger steps, crops of fine textures would not be recognised.
_SCALES = (1.0, 0.94, 0.875, 0.81)
_PAIRS_AT_ONCE = 256
# Only pairs that correlate by this at 8 x 8 are searched for crops. All of 200
# planted duplicates correlate by more, see `docs/report.md`.
_COARSE_SIDE = 8
_COARSE = 0.5
# Standard deviation, in grey levels, below which an image counts as blank.
_BLANK = 1.0


def greys(images: np.ndarray) -> np.ndarray:
    """Reduces images to their luminance on a grid of 32 x 32.

    Args:
        images: uint8 array `(num_images, height, width[, channels])`; 3
            channels are red, green and blue, others are averaged.

    Returns:
        uint8 array `(num_images, 32, 32)`, the mean luminance of each cell.

    Raises:
        ValueError: for another shape or type.
    """
    grey = luminance(images)
    num, *sizes = grey.shape
    rows, columns = (_averages(0, size, size, SIDE) for size in sizes)
    return np.rint(rows @ grey @ columns.T).astype(np.uint8)


def luminance(images: np.ndarray) -> np.ndarray:
    """Returns the luminance, float32 `(num_images, height, width)`.

    Takes images as `greys` does. Weights are those of ITU-R BT.601.
    """
    images = np.asarray(images)
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or 0 in images.shape or images.dtype != np.uint8:
        raise ValueError(
            "`images` must be uint8 (num_images, height, width, channels), or "
            f"without channels. Received: {images.dtype} {images.shape}"
        )
    if images.shape[-1] == 3:
        return images @ np.array([0.299, 0.587, 0.114], np.float32)
    return images.mean(axis=-1, dtype=np.float32)


def checked_greys(greys: np.ndarray) -> np.ndarray:
    """Returns grey values as an array, and refuses others than of `greys`."""
    greys = np.asarray(greys)
    checks.shape((None, SIDE, SIDE), greys=greys)
    if greys.dtype != np.uint8 or not len(greys):
        raise ValueError(
            "`greys` must be uint8 values of one image or more, as of "
            f"`curation.greys`. Received: {greys.dtype} {greys.shape}"
        )
    return greys


def check_rows(num_images: int, /, **rows: np.ndarray) -> None:
    """Raises a `ValueError` for what is no number of one of the images."""
    for name, found in rows.items():
        is_integer = np.issubdtype(found.dtype, np.integer)
        if found.size and not (
            is_integer and 0 <= found.min() <= found.max() < num_images
        ):
            raise ValueError(
                f"`{name}` must be numbers of images, integers from 0 to "
                f"{num_images - 1}. Received {found.dtype} from {found.min()} "
                f"to {found.max()}"
            )


def _checked_pairs(greys, left, right):
    greys = checked_greys(greys)
    left, right = np.asarray(left), np.asarray(right)
    check_rows(len(greys), left=left, right=right)
    checks.shape((len(left),), left=left, right=right)
    return greys, left.astype(np.int64), right.astype(np.int64)


def best_correlation(
    greys: np.ndarray, left: np.ndarray, right: np.ndarray
) -> np.ndarray:
    """Returns how well one image of each pair matches a crop of the other.

    It is the largest Pearson correlation between one image, as it is or
    mirrored, and 99 crops of the other that keep 100, 94, 87.5 or 81 % of the
    sides, both reduced to 16 x 16; either image may be the crop. It does not
    change with brightness or contrast. It is 1 for two blank images, and 0 for
    a blank image and one that is not blank.

    Where the whole images, as they are and mirrored, correlate by less than
    0.5 at 8 x 8, no crops are tried, and that correlation is returned.

    Args:
        greys: uint8 array `(num_images, 32, 32)`, as of `greys`.
        left, right: int arrays `(num_pairs,)`. The images of each pair.

    Returns:
        float32 array `(num_pairs,)`, in [-1, 1].

    Raises:
        ValueError: for other `greys`, and pairs that are no numbers of images.

    Reference: normalised cross-correlation, J P Lewis, Fast Template Matching,
    Vision Interface 1995.
    """
    greys, left, right = _checked_pairs(greys, left, right)
    best = np.empty(len(left), np.float32)
    for start in range(0, len(best), 2**16):
        part = slice(start, start + 2**16)
        best[part] = _coarse(greys, left[part], right[part])
    for pairs in np.array_split(
        np.flatnonzero(best >= _COARSE),
        max(1, np.sum(best >= _COARSE) // _PAIRS_AT_ONCE),
    ):
        if len(pairs):
            one, other = (greys[side[pairs]] for side in (left, right))
            searched = np.maximum(_searched(one, other), _searched(other, one))
            best[pairs] = np.maximum(best[pairs], searched)
    return best


def detail_correlation(
    greys: np.ndarray, left: np.ndarray, right: np.ndarray
) -> np.ndarray:
    """Returns how well the details of one image match a crop of the other.

    As `best_correlation`, of images from which the mean of each row and of
    each column is taken away. A bright sky above dark land, which most
    pictures of a horizon share, is no detail. It is 1 for two images without
    any. All pairs are searched.
    """
    greys, left, right = _checked_pairs(greys, left, right)
    best = np.empty(len(left), np.float32)
    for start in range(0, len(best), _PAIRS_AT_ONCE):
        pairs = slice(start, start + _PAIRS_AT_ONCE)
        one, other = (greys[side[pairs]] for side in (left, right))
        best[pairs] = np.maximum(
            _searched(one, other, _details), _searched(other, one, _details)
        )
        are_plain = [
            _details(_reduced(images, _CROP_SIDE)).std(axis=(1, 2)) < _BLANK
            for images in (one, other)
        ]
        best[pairs][np.all(are_plain, axis=0)] = 1
    return best


def _details(images):
    """Returns images without the means of their rows and columns."""
    means = images.mean(axis=-1, keepdims=True)
    means = means + images.mean(axis=-2, keepdims=True)
    return images - means + images.mean(axis=(-1, -2), keepdims=True)


def _coarse(greys, left, right):
    one, other = (_reduced(greys[side], _COARSE_SIDE) for side in (left, right))
    mirrored = other[:, :, ::-1]
    return np.maximum(_correlation(one, other), _correlation(one, mirrored))


def _correlation(one, other):
    one, other = (_centred(x.reshape(len(x), -1)) for x in (one, other))
    found = np.einsum("ni,ni->n", one, other)
    # Blank images are zeros by now.
    both_blank = ~(one.any(axis=1) | other.any(axis=1))
    return np.where(both_blank, 1, found)


def _searched(cropped, whole, change=np.asarray):
    """Returns the best correlation of crops with whole images and mirrored.

    `change` is applied to all of these first.
    """
    whole = change(_reduced(whole, _CROP_SIDE))
    whole = np.stack([whole, whole[:, :, ::-1]], axis=1)
    whole = _centred(whole.reshape(len(whole), 2, -1)).swapaxes(1, 2)
    best = np.full(len(whole), -1, np.float32)
    for averages in _CROPS:
        side, count = _CROP_SIDE, len(averages)
        flat = averages.reshape(count * side, SIDE)
        crops = flat @ cropped.astype(np.float32) @ flat.T
        crops = crops.reshape(-1, count, side, count, side).swapaxes(2, 3)
        crops = change(crops)
        crops = _centred(crops.reshape(-1, count * count, side * side))
        best = np.maximum(best, (crops @ whole).max(axis=(1, 2)))
    return best


def _centred(rows):
    """Returns rows of mean 0 and length 1; zeros for a blank image."""
    rows = rows - rows.mean(axis=-1, keepdims=True)
    sizes = np.linalg.norm(rows, axis=-1, keepdims=True)
    blank = sizes < _BLANK * rows.shape[-1] ** 0.5
    return np.where(blank, 0, rows / np.where(blank, 1, sizes))


def _reduced(images, side):
    averages = _averages(0, SIDE, SIDE, side)
    return averages @ images.astype(np.float32) @ averages.T


def _averages(start, length, size, side):
    """Returns the matrix that averages an interval of a line into cells.

    It has the shape `(side, size)`. Where cells are smaller than pixels, a
    cell has the value of the pixels that it overlaps.
    """
    left = start + np.arange(side)[:, None] * length / side
    right = left + length / side
    pixels = np.arange(size)
    overlap = np.minimum(right, pixels + 1) - np.maximum(left, pixels)
    overlap = np.clip(overlap, 0, None)
    overlap /= overlap.sum(axis=1, keepdims=True)
    return overlap.astype(np.float32)


def _crops(scale):
    """Returns the averages of the crops of a scale, one for each start."""
    room = SIDE * (1 - scale)
    starts = np.linspace(0, room, int(np.ceil(room)) + 1)
    return np.stack(
        [_averages(s, SIDE * scale, SIDE, _CROP_SIDE) for s in starts]
    )


_CROPS = [_crops(scale) for scale in _SCALES]
