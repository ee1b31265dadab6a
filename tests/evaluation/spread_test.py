import numpy as np
import pytest

from keras_dim.evaluation.spread import deviations
from keras_dim.evaluation.spread import effective_rank
from keras_dim.evaluation.spread import relative_deviation

FEATURES = np.random.default_rng(0).normal(size=(50, 6)) @ np.diag(range(1, 7))


def slow_effective_rank(features):
    """Equations 1 to 3 of the paper, through the covariance's eigenvalues."""
    rows, columns = features.shape
    centred = np.empty_like(features)
    for column in range(columns):
        mean = sum(features[:, column]) / rows
        for row in range(rows):
            centred[row, column] = features[row, column] - mean
    singular = [
        max(e, 0) ** 0.5 for e in np.linalg.eigvalsh(centred.T @ centred)
    ]
    entropy = 0.0
    for value in singular:
        share = value / sum(singular)
        entropy -= share * np.log(share)
    return np.exp(entropy)


def test_the_rank_is_that_of_the_paper():
    # Eigenvalues are squares, which halves the digits.
    assert effective_rank(FEATURES) == pytest.approx(
        slow_effective_rank(FEATURES), rel=1e-7
    )


def test_equal_directions_count_fully():
    # Many images, so that chance hardly makes directions unequal.
    images = np.random.default_rng(1).normal(size=(20_000, 8))
    assert effective_rank(images) == pytest.approx(8, abs=0.01)


def test_a_line_has_rank_one():
    line = np.outer(np.arange(20), np.arange(1, 5)) + 7.0
    # Rounding gives the other directions tiny shares.
    assert effective_rank(line) == pytest.approx(1, abs=1e-9)


def test_shares_of_three_to_one_have_the_rank_of_their_entropy():
    # Columns at right angles, of lengths 3 * sqrt(2) and sqrt(2).
    features = [[3, 0], [-3, 0], [0, 1], [0, -1]]
    expected = np.exp(-(0.75 * np.log(0.75) + 0.25 * np.log(0.25)))
    assert effective_rank(features) == pytest.approx(expected, rel=1e-12)


def test_the_mean_does_not_change_the_rank():
    assert effective_rank(FEATURES + 100) == pytest.approx(
        effective_rank(FEATURES), rel=1e-9
    )


# The mean of fifty times 0.1 is not 0.1.
@pytest.mark.parametrize("value", [2.0, 0.1])
def test_features_that_do_not_vary_have_no_rank(value):
    features = np.full((50, 3), value) * [1, 2, 7]
    assert effective_rank(features) == relative_deviation(features) == 0
    assert (deviations(features) == 0).all()


def test_features_that_are_not_finite_have_rank_nan():
    features = FEATURES.copy()
    features[3, 2] = np.nan
    assert np.isnan(effective_rank(features))


def test_deviations_are_those_of_each_feature():
    np.testing.assert_allclose(
        deviations([[0, 1, 5], [2, 1, -5]]), [1, 0, 5], rtol=1e-12
    )


@pytest.mark.parametrize(
    ("features", "expected"),
    [
        # Mean 4, deviation 3: three fifths.
        ([[7.0], [1.0]], 0.6),
        ([[1.0, -2.0], [-1.0, 2.0]], 1),
        ([[5.0, 1.0], [5.0, 1.0]], 0),
        ([[0.0], [0.0]], 0),
    ],
)
def test_how_much_features_vary_is_measured_by_their_size(features, expected):
    assert relative_deviation(features) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("function", [effective_rank, deviations])
@pytest.mark.parametrize("shape", [(5,), (1, 3), (0, 3), (3, 0), (2, 2, 2)])
def test_other_shapes_are_refused(function, shape):
    with pytest.raises(ValueError, match="num_images, units"):
        function(np.zeros(shape))
