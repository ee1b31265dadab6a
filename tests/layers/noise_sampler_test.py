import golden
import keras
import numpy as np
import pytest

from keras_dim import layers
from keras_dim.layers import noise_sampler


@pytest.fixture(scope="module")
def arrays():
    return golden.load("contrastive_alias")


@pytest.mark.parametrize("name", ["p", "p_with_zero"])
def test_the_table_has_the_probabilities(arrays, name):
    expected = arrays[name]
    probabilities, keep, alias = noise_sampler.alias_table(5 * expected)
    np.testing.assert_allclose(probabilities, expected, rtol=1e-12)
    found = keep / len(keep)
    for outcome, other in enumerate(alias):
        found[other] += (1 - keep[outcome]) / len(keep)
    np.testing.assert_allclose(found, expected, atol=1e-12)


def chi_squared(draws, probabilities):
    counts = np.bincount(np.ravel(draws), minlength=len(probabilities))
    expected = probabilities * np.size(draws)
    return np.sum((counts - expected) ** 2 / expected)


def test_draws_have_the_frequencies(arrays):
    sampler = layers.NoiseSampler(10, arrays["p"].tolist(), seed=1)
    draws = sampler.draw(1000, 200)
    assert draws.shape == (1000, 200)
    # A correct sampler fails with a probability of one in a million.
    limit = float(arrays["chi2_critical_p1e_6"])
    assert chi_squared(draws, arrays["p"]) < limit


def test_without_frequencies_all_are_equally_likely(arrays):
    draws = layers.NoiseSampler(50, seed=1).draw(1000, 200)
    limit = float(arrays["uniform_chi2_critical_p1e_6"])
    assert chi_squared(draws, np.full(50, 1 / 50)) < limit


def test_an_outcome_of_frequency_zero_is_never_drawn(arrays):
    sampler = layers.NoiseSampler(4, arrays["p_with_zero"].tolist(), seed=1)
    (zero,) = np.flatnonzero(arrays["p_with_zero"] == 0)
    assert not np.any(np.array(sampler.draw(100, 100)) == zero)


def test_log_probabilities_are_those_of_the_outcomes(arrays):
    outcomes = np.array([[0, 9], [3, 3]])
    sampler = layers.NoiseSampler(10, arrays["p"].tolist())
    np.testing.assert_allclose(
        sampler.log_probability(outcomes),
        np.log(arrays["p"])[outcomes],
        rtol=1e-5,
    )
    uniform = layers.NoiseSampler(10).log_probability(outcomes)
    np.testing.assert_allclose(uniform, np.full((2, 2), -np.log(10)), rtol=1e-6)


def test_it_is_rebuilt_from_its_config():
    sampler = layers.NoiseSampler(3, [0.5, 1.0, 2.0], seed=4)
    config = keras.saving.serialize_keras_object(sampler)
    copy = keras.saving.deserialize_keras_object(config)
    np.testing.assert_array_equal(copy.draw(5, 6), sampler.draw(5, 6))


@pytest.mark.parametrize(
    "frequencies, message",
    [
        ([1.0, 2.0], "one frequency for each of 3 outcomes. Received: 2"),
        ([1.0, -1.0, 2.0], "not negative.*from -1.0 to 2.0"),
        ([0.0, 0.0, 0.0], "not all 0"),
    ],
)
def test_other_frequencies_are_refused(frequencies, message):
    with pytest.raises(ValueError, match=message):
        layers.NoiseSampler(3, frequencies)
