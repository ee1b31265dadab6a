"""Outliers, clusters, coresets and label issues of planted features."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from keras_dim import curation
from keras_dim import neighbors

SIZES = (100, 60, 40)


@pytest.fixture(scope="module")
def blobs():
    """Three groups of features about directions at right angles, mixed."""
    rng = np.random.default_rng(0)
    labels = rng.permutation(np.repeat(np.arange(3), SIZES))
    return np.eye(8)[labels] + 0.15 * rng.normal(size=(200, 8)), labels


def test_outliers_are_those_away_from_all(blobs):
    features, _ = blobs
    features = np.concatenate([features, np.eye(8)[[5, 6]]])

    scores = curation.outliers(features, k=5)

    assert set(np.argsort(-scores)[:2]) == {200, 201}
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    slow = [np.sort(1 - unit @ row)[1:6].mean() for row in unit]
    np.testing.assert_allclose(scores, slow, atol=1e-6)
    _, cosines = neighbors.nearest(features, 9)
    np.testing.assert_array_equal(curation.outliers(None, 5, cosines), scores)


def test_clusters_are_the_planted_groups_by_size(blobs):
    features, labels = blobs

    found = curation.clusters(features, 3)

    np.testing.assert_array_equal(found.labels, labels)
    for cluster in range(3):
        members = found.members(cluster)
        assert len(members) == SIZES[cluster]
        assert found.typicality[members[0]] > 0.98
        assert np.all(np.diff(found.typicality[members]) <= 0)
    np.testing.assert_array_equal(
        curation.clusters(features, 3, seed=0).labels, found.labels
    )


def test_clusters_do_not_depend_on_lengths(blobs):
    features, labels = blobs
    lengths = np.linspace(0.1, 10, len(features))[:, None]

    np.testing.assert_array_equal(
        curation.clusters(features * lengths, 3).labels, labels
    )


def test_equal_images_are_one_cluster():
    found = curation.clusters(np.ones((6, 2)), 3)

    assert found.labels.tolist() == [0] * 6
    assert len(found.centers) == 1


def test_a_coreset_has_an_image_of_each_group(blobs):
    features, labels = blobs
    may = np.arange(200) % 2 == 0

    chosen = curation.coreset(features, 3, may)

    assert labels[chosen].tolist() == [0, 1, 2]
    assert may[chosen].all()
    assert len(curation.coreset(features, 500, may)) == may.sum()
    assert len(set(curation.coreset(features, 20))) == 20
    with pytest.raises(ValueError, match="has no image"):
        curation.coreset(features, 3, np.zeros(200, bool))


def test_planted_wrong_labels_are_found(blobs):
    features, labels = blobs
    given = labels.copy()
    wrong = np.arange(0, 200, 20)
    given[wrong] = (given[wrong] + 1) % 3

    issues = curation.label_issues(features, given)

    is_wrong = np.isin(np.arange(200), wrong)
    assert roc_auc_score(is_wrong, issues.scores) > 0.99
    np.testing.assert_array_equal(issues.suggested[wrong], labels[wrong])
    confusion = issues.confusion(3)
    assert confusion.sum() == 200
    assert np.trace(confusion) == np.sum(issues.suggested == given) <= 190


def test_votes_are_those_of_a_slow_count(blobs):
    features, labels = blobs
    given = np.where(np.arange(200) % 3 == 0, -1, labels)
    found, cosines = neighbors.nearest(features, 7)

    issues = curation.label_issues(features, given, 7, 0.3)

    for row in range(200):
        votes = np.zeros(3)
        for other, cosine in zip(found[row], cosines[row], strict=True):
            if given[other] >= 0:
                votes[given[other]] += np.exp(cosine / 0.3)
        if given[row] >= 0:
            expected = 1 - votes[given[row]] / votes.sum()
            assert issues.scores[row] == pytest.approx(expected, abs=1e-5)
        else:
            assert np.isnan(issues.scores[row])
        assert issues.suggested[row] == votes.argmax()


def test_an_image_without_labelled_neighbours_has_no_suggestion(blobs):
    features, labels = blobs
    given = np.where(labels == 2, -1, labels)
    given[np.flatnonzero(labels == 2)[0]] = 2

    issues = curation.label_issues(features, given, 3)

    lonely = np.flatnonzero((issues.suggested == -1) & (labels == 2))
    assert len(lonely) and np.isnan(issues.scores[lonely]).all()
    assert issues.confusion(3).sum() == np.isfinite(issues.scores).sum()


def test_a_far_neighbour_votes_at_a_low_temperature():
    features = np.array([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0]])

    issues = curation.label_issues(features, [0, -1, 1], temperature=1e-3)

    assert issues.suggested.tolist() == [1, 0, 0]
    assert issues.scores[[0, 2]].tolist() == [1, 1]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda f, y: curation.outliers(f[:1]), "no neighbours"),
        (lambda f, y: curation.clusters(f, 201), "from 1 to 200"),
        (lambda f, y: curation.coreset(f, 0), "num_images"),
        (lambda f, y: curation.coreset(f, 1, np.ones(3)), "candidates"),
        (lambda f, y: curation.coreset(f, 1, np.arange(200)), "bool"),
        (lambda f, y: curation.outliers(None, 0, np.ones((2, 2))), "`k`"),
        (lambda f, y: curation.label_issues(f, y, k=-1), "`k`"),
        (lambda f, y: curation.label_issues(f, y).confusion(2), "3 or more"),
        (lambda f, y: curation.label_issues(f, y[1:]), "labels"),
        (lambda f, y: curation.label_issues(f, y + 0.5), "whole numbers"),
        (lambda f, y: curation.label_issues(f, -np.ones(200)), "no label"),
        (lambda f, y: curation.label_issues(f, y, temperature=0), "above 0"),
        (lambda f, y: curation.outliers(f * np.nan), "finite"),
    ],
)
def test_unusable_arguments_are_refused(blobs, call, message):
    with pytest.raises(ValueError, match=message):
        call(*blobs)
