import numpy as np
import pytest

from keras_dim import neighbors

ROWS = np.random.default_rng(0).normal(size=(60, 5))


def slow_nearest(rows, k, queries, of_rows):
    """All cosines in float64, one query at a time."""
    found = []
    for number, query in enumerate(queries):
        cosines = rows @ query / np.linalg.norm(rows, axis=1)
        cosines /= np.linalg.norm(query)
        if of_rows:
            cosines[number] = -np.inf
        found.append(np.argsort(-cosines)[:k])
    return np.array(found)


@pytest.mark.parametrize("block", [1, 7 * 60, 2**24])
@pytest.mark.parametrize("of_rows", [True, False])
def test_neighbours_equal_those_from_all_pairs(monkeypatch, block, of_rows):
    monkeypatch.setattr(neighbors, "BLOCK", block)
    queries = ROWS if of_rows else ROWS[:9] + 0.1
    found, cosines = neighbors.nearest(ROWS, 4, None if of_rows else queries)

    np.testing.assert_array_equal(
        found, slow_nearest(ROWS, 4, queries, of_rows)
    )
    assert np.all(np.diff(cosines, axis=1) <= 0)


def test_equally_near_rows_come_in_their_order():
    rows = np.ones((6, 3))

    found, cosines = neighbors.nearest(rows, 5)

    assert found[2].tolist() == [0, 1, 3, 4, 5]
    assert np.all(cosines <= 1) and cosines == pytest.approx(1)


def test_of_equally_near_rows_the_first_are_taken():
    rows = np.random.default_rng(0).integers(0, 2, (300, 3)).astype(float)
    unit = neighbors.unit_vectors(rows)
    scores = unit @ unit.T
    np.fill_diagonal(scores, -2)

    found, _ = neighbors.nearest(rows, 5)

    expected = np.argsort(-scores, axis=1, kind="stable")[:, :5]
    np.testing.assert_array_equal(found, expected)


def test_rows_of_zeros_are_equal_and_have_cosine_0_to_others():
    rows = np.array([[0.0, 0], [1, 0], [0, 0], [-1, 0.1]])

    found, cosines = neighbors.nearest(rows, 1)

    assert found[0] == 2 and cosines[0] == 1
    assert cosines[1] == 0


def test_huge_and_tiny_features_keep_their_directions():
    scales = np.array([1e-30, 1e30, 1])[np.arange(len(ROWS)) % 3]

    found, _ = neighbors.nearest((ROWS * scales[:, None]).astype("f4"), 4)

    np.testing.assert_array_equal(found, neighbors.nearest(ROWS, 4)[0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.ones(3), 1), "shape"),
        ((np.ones((0, 3)), 1), "shape"),
        ((np.array([["a"]]), 1), "numbers"),
        ((np.ones((3, 2), complex), 1), "real numbers.*complex128"),
        ((np.array([[1.0], [np.nan]]), 1), "row 1$"),
        ((ROWS, 60), "from 1 to 59"),
        ((ROWS, 0), "from 1"),
        ((ROWS[:1], 1), "no neighbours"),
        ((ROWS, 1, np.ones((2, 4))), "queries"),
    ],
)
def test_invalid_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        neighbors.nearest(*arguments)
