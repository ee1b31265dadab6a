"""Few images that stand for all, to be labelled first."""

import numpy as np

from keras_dim import checks
from keras_dim.curation.clusters import clusters


def coreset(
    features: np.ndarray,
    num_images: int,
    candidates: np.ndarray | None = None,
    seed: int = 0,
) -> np.ndarray:
    """Chooses typical images of different kinds.

    The candidates are grouped into `num_images` clusters, and the image
    nearest to each centre is chosen. Equal images make fewer clusters, each of
    which then gives its second nearest image, too, and so on.

    Args:
        features: array `(num_images, units)`.
        num_images: int. Number of images to choose.
        candidates: bool array `(num_images,)`. The images to choose from, such
            as those without defects and one of each group of duplicates.
            Defaults to None, all.
        seed: int. Defaults to `0`.

    Returns:
        int64 array of `num_images` different images, or of all candidates
        where they are fewer. Those of large clusters come first.

    Raises:
        ValueError: for features that `neighbors.unit_vectors` refuses, and for
            candidates that are no bool array with a True.

    Reference: Hacohen, Dekel and Weinshall, Active Learning on a Budget, ICML
    2022. They choose the image whose neighbours are nearest, instead of the one
    nearest to the centre.
    """
    checks.integers(1, num_images=num_images)
    features = np.asarray(features)
    rows = np.arange(len(features))
    if candidates is not None:
        candidates = np.asarray(candidates)
        checks.shape((len(features),), candidates=candidates)
        if candidates.dtype != bool:
            raise ValueError(
                "`candidates` must be a bool for each image. Received: "
                f"{candidates.dtype}"
            )
        rows = rows[candidates]
        if not len(rows):
            raise ValueError("`candidates` has no image. Received only False")
    found = clusters(features[rows], min(num_images, len(rows)), seed)
    ranks = np.empty(len(rows), np.int64)
    for cluster in range(len(found.centers)):
        members = found.members(cluster)
        ranks[members] = np.arange(len(members))
    # One of each cluster, then a second one, until there are enough.
    return rows[np.lexsort((found.labels, ranks))[:num_images]]
