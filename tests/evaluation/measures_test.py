import golden
import numpy as np
import pytest

from keras_dim.evaluation import measures

DRAW = np.random.default_rng(0)
FEATURES = DRAW.normal(size=(40, 6)) @ np.diag(range(1, 7)) + 1
VIEWS = FEATURES[:, None] + DRAW.normal(size=(40, 3, 6))


@pytest.fixture(scope="module")
def published():
    return golden.load("contrastive_align_uniform")


def test_alignment_equals_the_published_one(published):
    # The length does not matter.
    found = measures.alignment(3 * published["x"], published["y"])
    assert found == pytest.approx(published["align_alpha2"], rel=1e-9)


@pytest.mark.parametrize("t", [1, 2, 3])
def test_uniformity_equals_the_published_one(published, t):
    found = measures.uniformity(3 * published["x"], t)
    assert found == pytest.approx(published[f"uniform_t{t}"], rel=1e-9)


def test_blocks_of_rows_do_not_change_uniformity(published, monkeypatch):
    monkeypatch.setattr(measures, "_BLOCK", 4)
    found = measures.uniformity(published["x"])
    assert found == pytest.approx(published["uniform_t2"], rel=1e-9)


# Zeros have no direction, and are no more uniform than other equal features.
@pytest.mark.parametrize("value", [1.0, 0.0])
def test_equal_images_have_no_uniformity(value):
    features = np.full((9, 4), value)
    assert measures.uniformity(features) == pytest.approx(0, abs=1e-12)


def slow_exp_entropy(values, epsilon):
    shares = [value / sum(values) + epsilon for value in values]
    return np.exp(-sum(share * np.log(share) for share in shares))


def test_rank_me_is_that_of_the_paper():
    # Roots of the eigenvalues of the products, with the mean.
    values = np.linalg.eigvalsh(FEATURES.T @ FEATURES) ** 0.5
    expected = slow_exp_entropy(values, 1e-7)
    assert measures.rank_me(FEATURES) == pytest.approx(expected, rel=1e-7)


def test_isotropic_gaussians_have_full_rank():
    rows = np.random.default_rng(1).normal(size=(20_000, 8))
    assert measures.rank_me(rows) == pytest.approx(8, abs=0.01)


def test_a_line_through_the_origin_has_rank_one():
    line = np.outer(np.arange(1, 20), np.arange(1, 5))
    # Each share has 1e-7 added: a hundred-thousandth in all.
    assert measures.rank_me(line) == pytest.approx(1, abs=1e-5)


def slow_lidar(views, delta=1e-4):
    images, count, units = views.shape
    means = [sum(of_image) / count for of_image in views]
    middle = sum(means) / images
    between, within = np.zeros((2, units, units))
    for mean, of_image in zip(means, views, strict=True):
        between += np.outer(mean - middle, mean - middle) / images
        for view in of_image:
            within += np.outer(view - mean, view - mean) / images / count
    within += delta * np.eye(units)
    values, vectors = np.linalg.eigh(within)
    root = vectors @ np.diag(values**-0.5) @ vectors.T
    return slow_exp_entropy(np.linalg.eigvalsh(root @ between @ root), 1e-8)


def test_lidar_is_that_of_the_paper():
    expected = slow_lidar(VIEWS)
    assert measures.lidar(VIEWS) == pytest.approx(expected, rel=1e-9)


def test_lidar_groups_views_by_image():
    shuffled = VIEWS.reshape(3, 40, 6).swapaxes(0, 1)
    assert measures.lidar(shuffled) != pytest.approx(slow_lidar(VIEWS), rel=0.1)


def test_lidar_counts_directions_that_views_share():
    # In the first four units, views differ as much as images.
    draw = np.random.default_rng(2)
    images = np.repeat(draw.normal(size=(20_000, 1, 6)), 2, axis=1)
    noise = draw.normal(size=images.shape) * [1, 1, 1, 1, 0.01, 0.01]
    # Two eigenvalues near 5,000 beside four near 3.
    assert measures.lidar(images + noise) == pytest.approx(2, abs=0.05)


@pytest.mark.parametrize("shape", [(6, 2, 6), (7, 1, 6), (40, 6)])
def test_lidar_refuses_few_images_and_single_views(shape):
    with pytest.raises(ValueError, match="more images than units"):
        measures.lidar(np.ones(shape))


@pytest.mark.parametrize("slope", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("units", [40, 6])
def test_a_power_law_has_its_slope(slope, units):
    # Columns at right angles without a mean, of the wanted variances.
    draw = np.random.default_rng(3).normal(size=(500, units))
    columns = np.linalg.qr(draw - draw.mean(axis=0))[0]
    rows = columns * np.arange(1, units + 1) ** (-slope / 2)
    assert measures.alpha_req(rows + 5) == pytest.approx(slope, rel=1e-6)


def test_the_range_of_a_spectrum_is_chosen():
    columns = np.linalg.qr(np.random.default_rng(4).normal(size=(500, 20)))[0]
    columns -= columns.mean(axis=0)
    rows = columns * np.where(np.arange(20) < 10, 1, 0.01)
    flat = measures.alpha_req(rows, 1, 10)
    assert abs(flat) < 0.05 < 1 < measures.alpha_req(rows, 8, 12)


def test_a_range_of_few_units_is_chosen():
    found = measures.alpha_req(FEATURES, 3)
    assert found == measures.alpha_req(FEATURES, 3, 6)
    assert found != measures.alpha_req(FEATURES)


@pytest.mark.parametrize(("first", "last"), [(5, 5), (0, 4), (1, 7)])
def test_a_range_without_eigenvalues_is_refused(first, last):
    with pytest.raises(ValueError, match="range of eigenvalues"):
        measures.alpha_req(FEATURES, first, last)


def test_a_spectrum_of_zeros_has_no_slope():
    assert np.isnan(measures.alpha_req(np.ones((30, 6))))


def test_features_that_are_not_finite_measure_nan():
    broken = VIEWS.copy()
    broken[3, 1, 2] = np.nan
    found = [
        measures.lidar(broken),
        measures.alignment(broken[:, 0], broken[:, 1]),
        *(
            measure(broken[:, 1])
            for measure in (
                measures.rank_me,
                measures.alpha_req,
                measures.uniformity,
            )
        ),
    ]
    assert np.isnan(found).all()


def test_views_of_other_images_are_refused():
    with pytest.raises(ValueError, match=r"`others`.*\(40, 6\)"):
        measures.alignment(FEATURES, FEATURES[:-1])


def test_uniformity_is_exact_for_tiny_terms():
    # Opposite vectors: |x - y|^2 = 4. Beside a term of 1 for each row with
    # itself, exp(-80) would be rounded away.
    opposite = np.array([[1.0, 0.0], [-1.0, 0.0]])
    assert measures.uniformity(opposite, 20) == pytest.approx(-80, rel=1e-12)


@pytest.mark.parametrize("value", [0, -1, np.nan])
def test_weights_that_are_not_positive_are_refused(value):
    with pytest.raises(ValueError, match="`t`"):
        measures.uniformity(FEATURES, value)
    with pytest.raises(ValueError, match="`delta`"):
        measures.lidar(VIEWS, value)
