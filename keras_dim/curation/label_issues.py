"""Labels that disagree with those of similar images."""

import dataclasses

import numpy as np

from keras_dim import batches
from keras_dim import checks
from keras_dim import neighbors


@dataclasses.dataclass(frozen=True)
class LabelIssues:
    """The result of `label_issues`.

    Attributes:
        labels: int64 array `(num_images,)`. The given labels.
        scores: float32 array `(num_images,)`. The share of the neighbours'
            votes against the given label, from 0 to 1; NaN for unlabelled
            images, and those without a labelled neighbour.
        suggested: int64 array `(num_images,)`. The class of most votes, of
            equal ones that of the nearest neighbour; -1 without a labelled
            neighbour. Unlabelled images have one, too.
    """

    labels: np.ndarray
    scores: np.ndarray
    suggested: np.ndarray

    def confusion(self, num_classes: int) -> np.ndarray:
        """Counts images by given label (rows) and suggested class (columns).

        Returns:
            int64 array `(num_classes, num_classes)`. Images without a label or
            a suggestion are not counted.

        Raises:
            ValueError: for fewer classes than there are.
        """
        known = np.isfinite(self.scores)
        of_known = np.append(self.labels[known], self.suggested[known])
        least = int(of_known.max(initial=0)) + 1
        checks.integers(least, num_classes=num_classes)
        counts = np.zeros((num_classes, num_classes), np.int64)
        np.add.at(counts, (self.labels[known], self.suggested[known]), 1)
        return counts


def label_issues(
    features: np.ndarray | None,
    labels: np.ndarray,
    k: int = 20,
    temperature: float = 0.07,
    nearest: tuple[np.ndarray, np.ndarray] | None = None,
) -> LabelIssues:
    """Compares each label with the labels of the nearest other images.

    Each neighbour votes for its label with the weight
    `exp(cosine / temperature)`; unlabelled ones do not vote.

    Args:
        features: array `(num_images, units)`.
        labels: int array `(num_images,)`, -1 for unlabelled images.
        k: int. Number of neighbours; all other images where they are fewer.
            Defaults to `20`.
        temperature: float. Defaults to `0.07`.
        nearest: pair of arrays as of `keras_dim.neighbors.nearest`, if the
            neighbours are known already; `features` may be None then.

    Returns:
        `LabelIssues`.

    Raises:
        ValueError: for features that `neighbors.nearest` refuses, a `k` below
            1, and labels that are no integers of -1 or more, one to an image,
            or are all -1.

    Reference: D L Wilson, Asymptotic Properties of Nearest Neighbor Rules
    Using Edited Data, 1972; weights of Wu et al., Unsupervised Feature
    Learning via Non-Parametric Instance Discrimination, CVPR 2018.
    """
    checks.integers(1, k=k)
    checks.above(0, temperature=temperature)
    labels = batches.labels_of(labels, "labels", allow_unlabelled=True)
    if nearest is None:
        k = min(k, max(1, len(features) - 1))
        nearest = neighbors.nearest(features, k)
    found, cosines = (part[:, :k] for part in nearest)
    checks.shape((len(found),), labels=labels)
    if not np.any(labels != batches.UNLABELLED):
        raise ValueError("`labels` has no label. Received only -1")
    is_labelled = labels[found] != batches.UNLABELLED
    # The nearest voter has the weight 1, as all could underflow otherwise.
    best = np.max(cosines, 1, keepdims=True, initial=-1.0, where=is_labelled)
    gaps = np.where(is_labelled, cosines - best, -np.inf)
    weights = np.exp(gaps / temperature)
    sums = weights.sum(axis=1)
    scores = np.full(len(labels), np.nan, np.float32)
    suggested = np.full(len(labels), batches.UNLABELLED, np.int64)
    # Neighbours by neighbours, not by classes, of which there may be many.
    for part in neighbors.blocks(len(labels), found.shape[1] ** 2):
        of_neighbors = labels[found[part]]
        same = of_neighbors[:, :, None] == of_neighbors[:, None]
        votes = np.einsum("nij,nj->ni", same, weights[part])
        best = votes.argmax(axis=1)[:, None]
        suggested[part] = np.take_along_axis(of_neighbors, best, 1)[:, 0]
        own = weights[part] * (of_neighbors == labels[part, None])
        total = np.where(sums[part] > 0, sums[part], 1)
        scores[part] = 1 - own.sum(axis=1) / total
    suggested[sums == 0] = batches.UNLABELLED
    scores[(sums == 0) | (labels == batches.UNLABELLED)] = np.nan
    return LabelIssues(labels, scores, suggested)
