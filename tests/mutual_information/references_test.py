import math

import numpy as np
from scipy import special

from keras_dim.mutual_information import references
from keras_dim.mutual_information import samples


def normals(correlation, num_samples=2000, units=1):
    x, noise = np.random.default_rng(0).normal(size=(2, num_samples, units))
    return x, correlation * x + math.sqrt(1 - correlation**2) * noise


def test_both_are_right_for_gaussians():
    x, z = normals(0.8)
    truth = -0.5 * math.log(1 - 0.8**2)

    # Four deviations of the mean log-ratio, which deviates by 0.8.
    assert abs(references.canonical_correlations(x, z) - truth) < 0.07
    assert abs(references.nearest_neighbors(x, z) - truth) < 0.07


def test_canonical_correlations_of_noise_are_none():
    x, z = normals(0.0, units=20)
    # 20 * 20 of 2 * 2,000 by chance, taken off, with a deviation of 0.007.
    assert references.canonical_correlations(x, z) < 0.03


def test_units_of_any_scale_count():
    x, z = normals(0.8, units=2)
    scaled = x * [1e9, 1e-9]

    np.testing.assert_allclose(
        references.canonical_correlations(scaled, z),
        references.canonical_correlations(x, z),
    )
    # The small unit is the one in common.
    assert samples.share_a_number(scaled, x[:, 1:])


def test_neighbours_equal_a_count_over_all_pairs():
    x, z = normals(0.5, 120, units=2)
    found = references.nearest_neighbors(x, z, k=3)

    far = [
        np.abs(each[:, None] - each[None]).max(axis=-1)
        for each in (x / x.std(axis=0), z / z.std(axis=0))
    ]
    radii = np.sort(np.maximum(*far), axis=1)[:, 3]
    counts = [(each < radii[:, None]).sum(axis=1) - 1 for each in far]
    mean = sum(special.digamma(count + 1) for count in counts).mean()
    np.testing.assert_allclose(
        found, special.digamma(3) + special.digamma(120) - mean
    )


def test_normal_scores_keep_order_and_share_ties():
    scores = samples.normal_scores(np.array([[5.0], [1.0], [1.0], [9.0]]))

    np.testing.assert_allclose(
        scores[:, 0], special.ndtri([0.6, 0.3, 0.3, 0.8])
    )


def test_shrunk_correlations_of_noise_are_zero():
    x, z = normals(0.0, units=10)
    x[:, 0] = z[:, 0] + 0.1 * x[:, 0]
    found, *_ = samples.canonical(samples.whitened(x), samples.whitened(z))

    assert found[0] > 0.98
    assert (found[1:] == 0).all()
