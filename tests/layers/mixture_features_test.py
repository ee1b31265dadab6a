import numpy as np
import pytest

from keras_dim.layers import MixtureFeatures


def build(num_mixtures=3, hidden_units=None):
    layer = MixtureFeatures(num_mixtures, hidden_units)
    layer.build((None, 4))
    return layer


def representation():
    return np.random.default_rng(0).normal(size=(5, 4)).astype("float32")


def test_equals_its_formula():
    layer = build(hidden_units=7)
    f = representation()
    kernel, bias = layer.hidden.get_weights()
    hidden = np.maximum(f @ kernel + bias, 0)
    kernel, bias = layer.changes.get_weights()
    assert kernel.shape == (7, 3 * 4)
    got = np.array(layer(f))
    for j in range(3):
        own = slice(4 * j, 4 * (j + 1))
        np.testing.assert_allclose(
            got[:, j], f + hidden @ kernel[:, own] + bias[own], atol=1e-6
        )


def test_features_of_a_mixture_differ_from_the_start():
    got = np.array(build()(representation()))
    assert np.abs(got[:, 0] - got[:, 1]).max() > 0.01


def test_zero_weights_leave_the_representation():
    layer = build()
    layer.set_weights([0 * weight for weight in layer.get_weights()])
    f = representation()
    np.testing.assert_array_equal(layer(f), np.stack([f] * 3, axis=1))


def test_shape_is_known_beforehand():
    assert build().compute_output_shape((None, 4)) == (None, 3, 4)


def test_config_builds_the_same_layer():
    copy = MixtureFeatures.from_config(build(2, 9).get_config())
    assert (copy.num_mixtures, copy.hidden_units) == (2, 9)


def test_no_mixture_is_refused():
    with pytest.raises(ValueError, match="1 or more. Received: 0"):
        MixtureFeatures(0)
