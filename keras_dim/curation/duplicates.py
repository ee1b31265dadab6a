"""Images that show the same picture."""

import hashlib

import numpy as np

from keras_dim import checks
from keras_dim import neighbors
from keras_dim.curation import alignment
from keras_dim.curation import hashes

# Least correlation of details. Pictures of different horizons had 0.81 at most,
# copies 0.87 at least, see `docs/report.md`.
_DETAIL = 0.85


def duplicates(
    greys: np.ndarray,
    features: np.ndarray | None = None,
    correlation: float = 0.97,
    num_candidates: int = 5,
    nearest: np.ndarray | None = None,
) -> np.ndarray:
    """Groups images that show the same picture, changed a little.

    Two images are near-duplicates if one of them correlates by at least
    `correlation` with the other or a crop of it, as it is or mirrored: see
    `best_correlation`; and, without the mean of each row and column, by at
    least 0.85: see `detail_correlation`. So re-encoding, resizing, brightness,
    contrast, mirroring and crops that keep about 80 % of each side are
    recognised; rotation is not.

    Each image is compared with its `num_candidates` nearest images by
    perceptual hash, those by the hash of its mirror image and those by
    features. Neighbours are exact, and all images linked by near-duplicates
    are one group.

    Args:
        greys: uint8 array `(num_images, 32, 32)`, as of `curation.greys`.
        features: array `(num_images, units)`. Without them, crops of more
            than a few per cent are missed. Defaults to None.
        correlation: float. Lower values find stronger changes, and take more
            different images for duplicates. Defaults to `0.97`.
        num_candidates: int. Defaults to `5`.
        nearest: int array `(num_images, k)`. The neighbours by features, as
            of `keras_dim.neighbors.nearest`, if they are known already; they
            are taken instead of `features`.

    Returns:
        int64 array `(num_images,)`. The number of each image's group, from 0
        in the order of their first images; -1 for images without duplicate.

    Raises:
        ValueError: for arrays of other shapes, or a wrong argument.
    """
    greys = alignment.checked_greys(greys)
    checks.between(0, 1, correlation=correlation)
    checks.integers(1, num_candidates=num_candidates)
    # Of equal images one stands for all: otherwise they would fill the
    # candidates of each other, and hide the rest of their group.
    _, first, same = np.unique(
        greys.reshape(len(greys), -1).view(f"V{alignment.SIDE**2}").ravel(),
        return_index=True,
        return_inverse=True,
    )
    rows = np.arange(len(greys))
    candidates = list(_by_hash(greys, first, num_candidates))
    if nearest is not None:
        nearest = np.asarray(nearest)
        checks.shape((len(greys), None), nearest=nearest)
        alignment.check_rows(len(greys), nearest=nearest)
        candidates.append(_pairs(rows, nearest[:, :num_candidates]))
    elif features is not None:
        features = np.asarray(features)
        checks.shape((len(greys), None), features=features)
        k = min(num_candidates, len(first) - 1)
        if k:
            found, _ = neighbors.nearest(features[first], k)
            candidates.append(_pairs(first, first[found]))
    links = np.stack([rows, first[same]])
    if candidates:
        pairs = first[same[np.concatenate(candidates, axis=1)]]
        # Each pair once, whichever way round.
        pairs = np.unique(
            np.sort(pairs[:, pairs[0] != pairs[1]], axis=0), axis=1
        )
        alike = alignment.best_correlation(greys, *pairs) >= correlation
        pairs = pairs[:, alike]
        alike = alignment.detail_correlation(greys, *pairs) >= min(
            _DETAIL, correlation
        )
        links = np.concatenate([links, pairs[:, alike]], axis=1)
    return _groups(links, len(greys))


def exact_duplicates(images: np.ndarray | list[bytes]) -> np.ndarray:
    """Groups images whose pixels, or bytes, are equal.

    Args:
        images: array `(num_images, ...)`, list of arrays, or list of bytes
            such as digests.

    Returns:
        int64 array `(num_images,)`, as of `duplicates`.
    """
    if not all(isinstance(image, bytes) for image in images):
        images = [_digest(np.asarray(image)) for image in images]
    _, first, same = np.unique(
        np.array(images, object), return_index=True, return_inverse=True
    )
    links = np.stack([np.arange(len(images)), first[same]])
    return _groups(links, len(images))


def _digest(image):
    # Other shapes or types may have the same bytes.
    kind = f"{image.shape} {image.dtype.str}".encode()
    return hashlib.sha256(kind + image.tobytes()).digest()


def _by_hash(greys, first, num_candidates):
    """Yields pairs of images, one or its mirror image near the other."""
    k = min(num_candidates, len(first) - 1)
    if not k:
        return
    plain, mirrored = (
        # As signs: the cosine is 1 - 2 / 63 for each bit that differs.
        np.where(hashes.perceptual_hash(images), 1, -1).astype(np.int8)
        for images in (greys[first], greys[first][:, :, ::-1])
    )
    found, _ = neighbors.nearest(plain, k)
    yield _pairs(first, first[found])
    found, _ = neighbors.nearest(plain, k, mirrored)
    yield _pairs(first, first[found])


def _pairs(rows, found):
    """Returns pairs `(2, num_pairs)` of rows with all that each has found."""
    return np.stack([np.repeat(rows, found.shape[1]), found.ravel()])


def _groups(links, num_images):
    """Returns the number of the group of each image, -1 if it is alone."""
    from scipy import sparse

    ones = np.ones(links.shape[1], np.int8)
    graph = sparse.coo_array((ones, links), (num_images, num_images))
    _, labels = sparse.csgraph.connected_components(graph, directed=False)
    _, first, labels, counts = np.unique(
        labels, return_index=True, return_inverse=True, return_counts=True
    )
    several = np.flatnonzero(counts > 1)
    several = several[np.argsort(first[several])]
    numbers = np.full(len(counts), -1, np.int64)
    numbers[several] = np.arange(len(several))
    return numbers[labels]
