"""Groups of similar images, and the typical images of each."""

import dataclasses

import numpy as np

from keras_dim import checks
from keras_dim import neighbors


@dataclasses.dataclass(frozen=True)
class Clusters:
    """The result of `clusters`.

    Attributes:
        labels: int64 array `(num_images,)`. The number of each image's
            cluster, from 0 for the largest.
        typicality: float32 array `(num_images,)`. The cosine of each image
            to the centre of its cluster: 1 is most typical.
        centers: float32 array `(num_clusters, units + 1)`, of length one, in
            the space of `neighbors.unit_vectors`.
    """

    labels: np.ndarray
    typicality: np.ndarray
    centers: np.ndarray

    def members(self, cluster: int) -> np.ndarray:
        """Returns the images of a cluster, the most typical first."""
        rows = np.flatnonzero(self.labels == cluster)
        return rows[np.argsort(-self.typicality[rows], kind="stable")]


def clusters(
    features: np.ndarray, num_clusters: int | None = None, seed: int = 0
) -> Clusters:
    """Groups images by the directions of their features.

    k-means on unit vectors, in batches of 4,096 images, from k-means++. Each
    image then goes to the centre of largest cosine.

    Args:
        features: array `(num_images, units)`.
        num_clusters: int. Fewer come back where images are equal. Defaults to
            None: the root of half the number of images, at most 50.
        seed: int. Defaults to `0`.

    Returns:
        `Clusters`.

    Raises:
        ValueError: for features that `neighbors.unit_vectors` refuses, or more
            clusters than images.

    Reference: D Arthur and S Vassilvitskii, k-means++, SODA 2007; D Sculley,
    Web-Scale K-Means Clustering, WWW 2010.
    """
    from sklearn.cluster import MiniBatchKMeans

    rows = neighbors.unit_vectors(features)
    if num_clusters is None:
        num_clusters = int(np.clip((len(rows) / 2) ** 0.5, 1, 50))
    checks.integers(1, len(rows), num_clusters=num_clusters)
    num_distinct = len(np.unique(rows, axis=0)) if len(rows) < 10_000 else None
    model = MiniBatchKMeans(
        min(num_clusters, num_distinct or num_clusters),
        batch_size=4096,
        n_init=3,
        random_state=seed,
    )
    centers = model.fit(rows).cluster_centers_
    centers /= np.maximum(np.linalg.norm(centers, axis=1, keepdims=True), 1e-12)
    scores = rows @ centers.T
    labels = scores.argmax(axis=1)
    found, labels, counts = np.unique(
        labels, return_inverse=True, return_counts=True
    )
    order = np.argsort(-counts, kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return Clusters(
        rank[labels].astype(np.int64), scores.max(axis=1), centers[found[order]]
    )
