import keras
import numpy as np
import pytest

from keras_dim.layers import heads


def random_features(num_inputs=4):
    features = np.random.default_rng(0).normal(size=(5, num_inputs))
    return features.astype("float32")


@pytest.mark.parametrize("batch_norm", [False, True])
def test_head_with_a_hidden_layer_equals_its_formula(batch_norm):
    head = heads.mlp(4, 7, 3, batch_norm=batch_norm)
    rng = np.random.default_rng(1)
    for weight in head.trainable_weights:
        weight.assign(rng.normal(size=weight.shape))
    features = random_features()
    (kernel, *bias), *norm, (last, last_bias) = (
        layer.get_weights() for layer in head.layers if layer.weights
    )
    # Batch norm would remove a bias.
    assert len(bias) == (not batch_norm)
    hidden = features @ kernel + sum(bias)
    if batch_norm:
        scale, offset = norm[0][:2]
        hidden = (hidden - hidden.mean(0)) / np.sqrt(hidden.var(0) + 1e-5)
        hidden = hidden * scale + offset
    np.testing.assert_allclose(
        head(features, training=True),
        np.maximum(hidden, 0) @ last + last_bias,
        rtol=1e-4,
        atol=1e-5,
    )


@pytest.mark.parametrize("output_bias", [False, True])
def test_head_without_a_hidden_layer_is_linear(output_bias):
    head = heads.mlp(4, None, 3, output_bias=output_bias, name="linear")
    kernel, *bias = head.get_weights()
    assert len(bias) == output_bias
    expected = random_features() @ kernel + (bias[0] if bias else 0)
    np.testing.assert_allclose(head(random_features()), expected, atol=1e-6)
    assert head.name == "linear"


def test_weights_start_within_the_root_of_the_inputs():
    (kernel, bias), (last, last_bias) = (
        layer.get_weights()
        for layer in heads.mlp(400, 900, 100).layers
        if layer.weights
    )
    for weight, num_inputs in (
        (kernel, 400),
        (bias, 400),
        (last, 900),
        (last_bias, 900),
    ):
        limit = num_inputs**-0.5
        assert 0.9 * limit < np.abs(weight).max() <= limit


def test_normalized_vectors_have_length_one():
    vectors = random_features()
    expected = [vector / np.sqrt((vector**2).sum()) for vector in vectors]
    np.testing.assert_allclose(heads.normalized(vectors), expected, rtol=1e-6)


def test_a_zero_vector_stays_finite():
    assert not np.array(heads.normalized(np.zeros((2, 3)))).any()


def test_vectors_in_half_precision_are_normalized_in_float32():
    vectors = keras.ops.cast(random_features(), "float16")
    lengths = np.linalg.norm(heads.normalized(vectors), axis=1)
    np.testing.assert_allclose(lengths, 1.0, rtol=1e-6)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((4, 0, 3), "`hidden_units` must be.* 1 or more.*: 0"),
        ((4, 7, 0), "`units` must be.* 1 or more.*: 0"),
    ],
)
def test_wrong_widths_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        heads.mlp(*arguments)
