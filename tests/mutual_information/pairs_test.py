import numpy as np
import pytest

from keras_dim.mutual_information import pairs

SCORES = np.array([-1e4, -30.0, -1.0, 0.0, 0.5, 20.0, 1e4], "float32")


def test_clipped_scores_stay_within_the_limit():
    clipped = np.array(pairs.soft_clip(SCORES, 20.0))
    np.testing.assert_allclose(clipped, 20 * np.tanh(SCORES / 20), rtol=1e-6)
    assert np.abs(clipped).max() == 20


def test_small_scores_are_hardly_changed():
    # tanh x = x - x^3 / 3 + ...
    small = np.array([-0.1, 0.1], "float32")
    np.testing.assert_allclose(pairs.soft_clip(small, 20.0), small, rtol=1e-5)


def test_scores_without_a_limit_are_unchanged():
    assert pairs.soft_clip(SCORES, None) is SCORES


def test_positives_are_pairs_of_one_id():
    mask = pairs.same_id(np.array([7, 3, 3, 5]), np.array([3, 5, 9]))

    np.testing.assert_array_equal(
        mask, [[0, 0, 0], [1, 0, 0], [1, 0, 0], [0, 1, 0]]
    )


@pytest.mark.parametrize("num_anchors", [1, 3])
def test_dot_product_pairs_equal_loops(num_anchors):
    rng = np.random.default_rng(0)
    anchors = rng.normal(size=(4, num_anchors, 6)).astype("float32")
    candidates = rng.normal(size=(4, 2, 3, 6)).astype("float32")

    found = pairs.dot_product_pairs(anchors, candidates, temperature=2.0)

    scores = np.array(found.scores.whole())
    own = np.array(found.scores.of_own_images())
    assert scores.shape == (4 * num_anchors, 4, 6)
    for i in range(4):
        for m in range(num_anchors):
            row = num_anchors * i + m
            for j in range(4):
                expected = candidates[j].reshape(6, 6) @ anchors[i, m] / 2
                np.testing.assert_allclose(
                    scores[row, j], expected, rtol=1e-4, atol=1e-5
                )
                assert found.positives[row, j, 0] == (i == j)
                assert found.negatives[row, j, 0] == (i != j)
            np.testing.assert_allclose(
                own[row], scores[row, i], rtol=1e-4, atol=1e-5
            )


@pytest.mark.parametrize("is_computed", [False, True])
def test_mean_square_is_that_of_all_scores_before_clipping(is_computed):
    rng = np.random.default_rng(0)
    anchors = 3.0 * rng.normal(size=(6, 8)).astype("float32")
    candidates = rng.normal(size=(6, 5, 8)).astype("float32")
    scores = pairs.DotProductScores(anchors, candidates, limit=5.0)
    scores = scores.computed() if is_computed else scores

    expected = np.mean(np.einsum("au,clu->acl", anchors, candidates) ** 2)
    assert float(scores.mean_square()) == pytest.approx(expected, rel=1e-5)


def test_computed_scores_are_the_same_scores():
    rng = np.random.default_rng(0)
    scores = pairs.DotProductScores(
        rng.normal(size=(6, 8)), rng.normal(size=(6, 5, 8)), limit=2.0
    )

    np.testing.assert_array_equal(scores.computed().whole(), scores.whole())


def two_images():
    rng = np.random.default_rng(0)
    return (
        rng.normal(size=(2, 6)).astype("float32"),
        rng.normal(size=(2, 3, 6)).astype("float32"),
    )


def test_two_images_are_enough_for_negatives_and_one_is_not():
    anchors, candidates = two_images()

    found = pairs.dot_product_pairs(anchors, candidates)

    np.testing.assert_array_equal(found.negatives[:, :, 0], [[0, 1], [1, 0]])
    with pytest.raises(ValueError, match="one image has no neg.*Received: 1"):
        pairs.dot_product_pairs(anchors[:1], candidates[:1])


@pytest.mark.parametrize("chunk_size", [None, 1])
def test_clipped_pairs_are_the_same_pairs_within_the_limit(chunk_size):
    found = pairs.dot_product_pairs(*two_images())

    clipped = found.clipped(2.0, chunk_size)

    np.testing.assert_allclose(
        clipped.scores.whole(),
        2 * np.tanh(np.array(found.scores.whole()) / 2),
        rtol=1e-5,
    )
    # Scores in chunks are never held at once.
    assert (clipped.scores.products is None) == (chunk_size is not None)
    np.testing.assert_array_equal(clipped.positives, found.positives)
    np.testing.assert_array_equal(clipped.negatives, found.negatives)
