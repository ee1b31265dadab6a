"""Computes the results that a report shows."""

import dataclasses

import numpy as np

from keras_dim import batches
from keras_dim import curation
from keras_dim import neighbors
from keras_dim.report.layout import layout
from keras_dim.report.measures import measure_all
from keras_dim.report.reading import Images

NUM_NEIGHBORS = 20


@dataclasses.dataclass
class Findings:
    """The results of `analyse`; the first axis of arrays is the images.

    `near` and `cosines` are the nearest images of each and their cosines;
    `coreset` are the indices of the images to label; `defects` maps a defect to
    its values and flags; `points` are positions on the map; `issues` is None
    without labels.
    """

    near: np.ndarray
    cosines: np.ndarray
    duplicates: np.ndarray
    outliers: np.ndarray
    clusters: curation.Clusters
    coreset: np.ndarray
    defects: dict[str, tuple[np.ndarray, np.ndarray]]
    points: np.ndarray
    measures: dict[str, float]
    issues: curation.LabelIssues | None

    def labels_in_question(self) -> np.ndarray:
        """Returns the indices of images whose label most neighbours contradict.

        int `(num_issues,)`, the highest score first; empty without labels.
        """
        if self.issues is None:
            return np.empty(0, np.int64)
        scores = np.nan_to_num(self.issues.scores, nan=0)
        wrong = self.issues.suggested != self.issues.labels
        rows = np.flatnonzero(wrong & (scores > 0.5))
        return rows[np.argsort(-scores[rows], kind="stable")]


def analyse(images: Images, num_labels: int, report) -> Findings:
    """Analyses images and their features.

    Images to label are one of each group of duplicates, without the 1 %
    farthest outliers, and without any defect but an odd size or aspect.

    Args:
        images: `Images` with `features`.
        num_labels: int. The number of images to choose for labelling.
        report: function of the name of a step, its number and the number of
            steps.

    Raises:
        ValueError: for fewer than two images.
    """
    features = images.features
    num = len(features)
    if num < 2:
        raise ValueError(
            "A report compares images: it needs two or more, and only one can "
            "be read."
        )
    steps = iter(range(1, 8))

    def step(title):
        report(title, next(steps), 7)

    step("Finding neighbours")
    near, cosines = neighbors.nearest(features, min(NUM_NEIGHBORS, num - 1))
    step("Finding duplicates")
    groups = curation.duplicates(images.greys, nearest=near)
    step("Finding defects and outliers")
    defects = curation.defects(images.measures, images.sizes)
    copies = _later_copies(images.exact)
    defects["exact_duplicate"] = images.exact.astype(np.float32), copies
    scores = curation.outliers(None, 10, cosines)
    step("Finding clusters")
    found = curation.clusters(features)
    step("Choosing images to label")
    bad = [defects[name][1] for name in defects if not name.startswith("odd")]
    may = ~np.any(bad, axis=0) & ~_later_copies(groups)
    may &= scores <= np.quantile(scores, 0.99)
    if not may.any():
        may[:] = True
    chosen = curation.coreset(features, num_labels, may)
    step("Comparing labels")
    issues = None
    labels = images.labels
    if labels is not None and np.any(labels != batches.UNLABELLED):
        issues = curation.label_issues(None, labels, nearest=(near, cosines))
    step("Drawing the map")
    return Findings(
        near=near,
        cosines=cosines,
        duplicates=groups,
        outliers=scores,
        clusters=found,
        coreset=chosen,
        defects=defects,
        points=layout(features),
        measures=measure_all(features),
        issues=issues,
    )


def _later_copies(groups):
    """Returns whether each image is in a group and is not the first in it."""
    first = np.zeros(len(groups), bool)
    first[np.unique(groups, return_index=True)[1]] = True
    return (groups >= 0) & ~first
