import golden
import numpy as np

from keras_dim.mutual_information import divergences


def test_divergence_of_a_normal_equals_reference_numbers():
    arrays = golden.load("contrastive_kl_prior")
    np.testing.assert_allclose(
        divergences.normal_to_standard_normal(arrays["mu"], arrays["logvar"]),
        arrays["kl_sum_over_dims"],
        rtol=1e-5,
    )


def test_divergence_of_a_normal_equals_its_integral():
    mean, log_variance = 0.7, -0.9
    z = np.linspace(-12, 12, 20001)
    density = np.exp(-((z - mean) ** 2) / (2 * np.exp(log_variance)))
    density /= np.sqrt(2 * np.pi * np.exp(log_variance))
    standard = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    # Ten deviations off both densities are zero in floating point.
    log_ratio = np.log(density + 1e-300) - np.log(standard)
    integral = np.sum(density * log_ratio) * (z[1] - z[0])
    value = divergences.normal_to_standard_normal([[mean]], [[log_variance]])
    np.testing.assert_allclose(value, [integral], rtol=1e-4)


def test_divergence_from_itself_is_zero():
    zeros = np.zeros((2, 3), "float16")
    value = divergences.normal_to_standard_normal(zeros, zeros)
    np.testing.assert_array_equal(value, [0.0, 0.0])
