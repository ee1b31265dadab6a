"""With the best critic, each bound has the value that theory gives.

Tolerances are five standard deviations of what is drawn.
"""

import math

import numpy as np
import pytest
from reference.gaussians import Gaussians

from keras_dim.mutual_information import bounds

NUM_SAMPLES = 1500


@pytest.fixture(
    params=[(d, rho) for d in (1, 2, 5) for rho in (0.3, 0.6, 0.9)],
    ids=lambda params: "dims{}-rho{}".format(*params),
    scope="module",
)
def drawn(request):
    """Gaussians and their log density ratios, for pairs of samples."""
    gaussians = Gaussians(*request.param)
    ratios = gaussians.log_ratios(*gaussians.draw(NUM_SAMPLES))
    return gaussians, ratios.astype("float32")


def masks(num_samples):
    same = np.eye(num_samples, dtype="float32")
    return same, 1 - same


def error_of_mean(variance):
    """Five deviations of a mean over as many independent values."""
    return 5 * math.sqrt(variance / NUM_SAMPLES)


def error_of_pair_mean(variance):
    """The same over all pairs of samples.

    Such a mean (a U-statistic) varies at most by twice what the mean over
    disjoint pairs does.
    """
    return 5 * math.sqrt(2 * variance / NUM_SAMPLES)


def error_of_log_ratio(gaussians):
    # Under the joint distribution the log ratio has the variance rho^2 in
    # each dimension.
    return error_of_mean(gaussians.dims * gaussians.rho**2)


def error_of_mean_ratio(gaussians):
    # Over all pairs: with x given, the mean of the ratio over y is always 1,
    # so only the pairs vary, not the samples, and the mean over n^2 of them
    # by the square root of twice the variance, over n.
    return 5 * math.sqrt(2 * (gaussians.moment(2) - 1)) / NUM_SAMPLES


def test_donsker_varadhan_reaches_the_information(drawn):
    gaussians, log_ratios = drawn
    value = float(bounds.donsker_varadhan(log_ratios, *masks(NUM_SAMPLES)))
    assert value == pytest.approx(
        gaussians.information,
        abs=error_of_log_ratio(gaussians) + error_of_mean_ratio(gaussians),
    )


def test_kullback_leibler_reaches_the_information(drawn):
    gaussians, log_ratios = drawn
    value = float(bounds.kullback_leibler(1 + log_ratios, *masks(NUM_SAMPLES)))
    assert value == pytest.approx(
        gaussians.information,
        abs=error_of_log_ratio(gaussians) + error_of_mean_ratio(gaussians),
    )


def test_jensen_shannon_reaches_twice_the_divergence(drawn):
    gaussians, log_ratios = drawn
    joint = np.logaddexp(0, -gaussians.quantiles_of_log_ratio(joint=True))
    product = np.logaddexp(0, gaussians.quantiles_of_log_ratio(joint=False))
    divergence = math.log(2) - (joint.mean() + product.mean()) / 2
    value = float(bounds.jensen_shannon(log_ratios, *masks(NUM_SAMPLES)))
    assert value == pytest.approx(
        2 * divergence,
        abs=error_of_mean(joint.var()) + error_of_pair_mean(product.var()),
    )
    assert value < 2 * math.log(2)


def test_squared_hellinger_reaches_the_distance(drawn):
    gaussians, log_ratios = drawn
    affinity = gaussians.moment(0.5)
    value = float(bounds.squared_hellinger(log_ratios / 2, *masks(NUM_SAMPLES)))
    # Both terms are means of roots of a ratio, whose squares have mean 1.
    variance = 1 - affinity**2
    assert value == pytest.approx(
        2 - 2 * affinity,
        abs=error_of_mean(variance) + error_of_pair_mean(variance),
    )


@pytest.mark.parametrize("dims", [1, 2, 5])
def test_reverse_kullback_leibler_reaches_the_divergence(dims):
    # From a correlation of 0.5 on, the variance of the terms is infinite.
    gaussians = Gaussians(dims, rho := 0.3)
    log_ratios = gaussians.log_ratios(*gaussians.draw(NUM_SAMPLES))
    value = float(
        bounds.reverse_kullback_leibler(
            log_ratios.astype("float32"), *masks(NUM_SAMPLES)
        )
    )
    divergence = dims * rho**2 / (1 - rho**2) - gaussians.information
    assert value == pytest.approx(
        divergence,
        abs=error_of_mean(gaussians.moment(-1) - 1)
        + error_of_pair_mean(
            gaussians.quantiles_of_log_ratio(joint=False).var()
        ),
    )


@pytest.mark.parametrize("dims", [1, 2])
def test_pearson_chi_squared_reaches_the_divergence(dims):
    # Higher correlations and dimensions have no fourth moment.
    gaussians = Gaussians(dims, 0.3)
    ratios = np.exp(gaussians.log_ratios(*gaussians.draw(NUM_SAMPLES)))
    value = float(
        bounds.pearson_chi_squared(
            2 * (ratios - 1).astype("float32"), *masks(NUM_SAMPLES)
        )
    )
    second, third, fourth = (gaussians.moment(power) for power in (2, 3, 4))
    assert value == pytest.approx(
        second - 1,
        abs=error_of_mean(4 * (third - second**2))
        + error_of_pair_mean(fourth - second**2),
    )


def test_info_nce_lies_between_its_limits(drawn):
    gaussians, log_ratios = drawn
    value = float(bounds.info_nce(log_ratios, *masks(NUM_SAMPLES)))
    error = error_of_log_ratio(gaussians) + error_of_mean_ratio(gaussians)
    # In the mean over samples it misses at most log(1 + E[ratio] / n), by
    # Jensen's inequality over the rivals of each positive.
    missing = math.log1p(gaussians.moment(2) / NUM_SAMPLES)
    assert gaussians.information - missing - error < value
    assert value < gaussians.information + error
    assert value <= math.log(NUM_SAMPLES)


@pytest.mark.parametrize("num_candidates", [2, 8, 30])
def test_info_nce_of_few_candidates_saturates_at_their_logarithm(
    num_candidates,
):
    gaussians = Gaussians(20, 0.95)
    log_ratios = gaussians.log_ratios(*gaussians.draw(num_candidates))
    value = float(
        bounds.info_nce(log_ratios.astype("float32"), *masks(num_candidates))
    )
    # 23 nats of information: each sample is told apart for certain.
    assert gaussians.information > 6 * math.log(num_candidates)
    assert value == pytest.approx(math.log(num_candidates), abs=1e-3)
    assert value <= math.log(num_candidates) + 1e-6


# A joint distribution of two variables in sixteenths. No cell is empty, so
# every divergence is finite.
JOINT = np.array([[6, 1, 1], [1, 3, 4]])
# The critic of each bound for which it is tight, given the density ratio, and
# the divergence it then reaches, from the two probabilities of a pair.
TIGHT = {
    "jensen_shannon": (
        np.log,
        lambda p, q: p * np.log(2 * p / (p + q)) + q * np.log(2 * q / (p + q)),
    ),
    "gan": (
        np.log,
        lambda p, q: p * np.log(p / (p + q)) + q * np.log(q / (p + q)),
    ),
    "kullback_leibler": (
        lambda ratio: 1 + np.log(ratio),
        lambda p, q: p * np.log(p / q),
    ),
    "donsker_varadhan": (np.log, lambda p, q: p * np.log(p / q)),
    "reverse_kullback_leibler": (np.log, lambda p, q: q * np.log(q / p)),
    "squared_hellinger": (
        lambda ratio: np.log(ratio) / 2,
        lambda p, q: (np.sqrt(p) - np.sqrt(q)) ** 2,
    ),
    "pearson_chi_squared": (
        lambda ratio: 2 * (ratio - 1),
        lambda p, q: (p - q) ** 2 / q,
    ),
}


def discrete_pairs():
    """Every pair as often as it is likely: means over them are exact."""
    samples = [
        (x, y) for (x, y), count in np.ndenumerate(JOINT) for _ in range(count)
    ]
    x, y = np.array(samples).T
    joint = JOINT / JOINT.sum()
    product = joint.sum(1, keepdims=True) * joint.sum(0, keepdims=True)
    return joint, product, (joint / product)[x[:, None], y[None, :]]


@pytest.mark.parametrize("bound", TIGHT)
def test_bounds_reach_exact_divergences_of_a_discrete_distribution(bound):
    joint, product, ratios = discrete_pairs()
    critic, divergence = TIGHT[bound]
    same = np.eye(len(ratios), dtype="float32")
    # All pairs are draws of the product, a sample with itself too.
    value = bounds.BOUND_OBJECTS[bound]()(
        critic(ratios).astype("float32"), same, np.ones_like(same)
    )
    np.testing.assert_allclose(
        value, divergence(joint, product).sum(), rtol=1e-5
    )


@pytest.mark.parametrize("bound", TIGHT)
def test_a_worse_critic_gives_a_lower_bound(bound):
    _, _, ratios = discrete_pairs()
    critic, _ = TIGHT[bound]
    best = critic(ratios)
    same = np.eye(len(ratios), dtype="float32")
    function = bounds.BOUND_OBJECTS[bound]()

    def value(scores):
        return float(
            function(scores.astype("float32"), same, np.ones_like(same))
        )

    # A critic is a function of the pair's two values.
    cells = np.unique(best, return_inverse=True)[1].reshape(best.shape)
    noise = np.random.default_rng(0).normal(size=cells.max() + 1)[cells]
    worse = [best + 0.3 * noise, 0.7 * best]
    # Donsker-Varadhan alone does not mind a constant.
    worse += [best + 0.3] if bound != "donsker_varadhan" else []
    for scores in worse:
        assert value(scores) < value(best) - 1e-3
