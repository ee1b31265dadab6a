import numpy as np

from keras_dim.layers import initializers


def test_kernels_spread_as_in_the_authors_framework():
    kernel = np.array(initializers.torch_default()((3, 3, 20, 300)))
    bound = 1 / np.sqrt(3 * 3 * 20)
    assert 0.99 * bound < np.abs(kernel).max() <= bound
    # The deviation of a uniform distribution.
    np.testing.assert_allclose(kernel.std(), bound / np.sqrt(3), rtol=0.02)


def test_biases_spread_as_in_the_authors_framework():
    bias = np.array(initializers.torch_default_bias(16)((5000,)))
    assert 0.24 < np.abs(bias).max() <= 0.25
    np.testing.assert_allclose(bias.std(), 0.25 / np.sqrt(3), rtol=0.03)
