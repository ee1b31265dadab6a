import numpy as np
import pytest

from keras_dim.layers import MixtureFeatures
from keras_dim.layers import mixture_features
from keras_dim.mutual_information import bounds


def build(num_mixtures=3, hidden_units=None):
    layer = MixtureFeatures(num_mixtures, hidden_units=hidden_units)
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


def test_config_builds_the_same_layer():
    layer = MixtureFeatures(2, temperature=4.0, hidden_units=9)
    copy = MixtureFeatures.from_config(layer.get_config())
    assert (copy.num_mixtures, copy.hidden_units) == (2, 9)
    assert copy.temperature == 4.0


def test_scores_are_combined_and_assigned_at_the_temperature():
    layer = MixtureFeatures(3, temperature=2.0)
    # The features of an image follow each other.
    scores = np.random.default_rng(0).normal(size=(2 * 3, 4 * 5))
    weights = np.exp(2 * scores).reshape(2, 3, 4 * 5)

    values = layer.combine(scores)
    shares = layer.assignments(scores, (4, 5))

    np.testing.assert_allclose(values, np.log(weights.sum(1)) / 2, rtol=1e-6)
    expected = (weights / weights.sum(1, keepdims=True)).reshape(2, 3, 4, 5)
    np.testing.assert_allclose(
        shares, expected.transpose(0, 2, 3, 1), rtol=1e-6
    )


def test_the_best_scores_are_combined_to_the_ceiling_and_the_gain():
    layer = MixtureFeatures(3, temperature=2.0)

    values = layer.combine(np.full((2 * 3, 4), 5.0))

    np.testing.assert_allclose(values, 5.0 + layer.gain, rtol=1e-6)


def test_only_info_nce_has_scores_for_a_mixture():
    mixture_features.get(2, bounds.InfoNCE(chunk_size=4))
    with pytest.raises(ValueError, match="bound 'info_nce'. Received: .*Bound"):
        mixture_features.get(2, bounds.BOUND_OBJECTS["gan"]())


def test_a_mixture_is_made_from_its_number_of_features():
    made = mixture_features.get(4, bounds.InfoNCE())
    assert (made.num_mixtures, made.temperature) == (4, 1.0)
    arguments = {"num_mixtures": 4, "temperature": 2.0}
    assert mixture_features.get(arguments, bounds.InfoNCE()).temperature == 2.0
    assert mixture_features.get(made, bounds.InfoNCE()) is made
    assert mixture_features.get(None, bounds.InfoNCE()) is None


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: MixtureFeatures(0), "`num_mixtures`.* 1 or more.*: 0"),
        (lambda: MixtureFeatures(2, 0.0), "`temperature`.*above 0.*: 0.0"),
        (
            lambda: MixtureFeatures(2, hidden_units=0),
            "`hidden_units`.* 1 or more.*: 0",
        ),
        (
            lambda: mixture_features.get({"num_mixture": 2}, bounds.InfoNCE()),
            "no argument 'num_mixture'.*'num_mixtures'",
        ),
    ],
)
def test_wrong_arguments_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
