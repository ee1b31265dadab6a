import keras
import numpy as np
import pytest

from keras_dim.layers import MapProjection


def build(units=6, channels=4, **arguments):
    layer = MapProjection(units, **arguments)
    layer.build((None, 3, 3, channels))
    return layer


def features(channels=4):
    rng = np.random.default_rng(0)
    return rng.normal(size=(5, 3, 3, channels)).astype("float32")


def test_starts_as_the_batch_normalised_features():
    maps = features()
    projected = np.array(build()(maps, training=True))
    flat = maps.reshape(-1, 4)
    expected = (flat - flat.mean(0)) / flat.std(0)
    # The shortcut is an identity but for noise of up to 0.01.
    np.testing.assert_allclose(
        projected[..., :4].reshape(-1, 4), expected, atol=0.1
    )


@pytest.mark.parametrize("use_batch_norm", [False, True])
def test_equals_its_formula(use_batch_norm):
    layer = build(use_batch_norm=use_batch_norm)
    rng = np.random.default_rng(1)
    for weight in layer.trainable_weights:
        weight.assign_add(0.3 * rng.normal(size=weight.shape))
    maps = features().reshape(-1, 4)

    def norm(x, part):
        scale, offset = part.get_weights()[:2]
        x = (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-5)
        return x * scale + offset

    hidden = maps @ layer.hidden.get_weights()[0]
    if use_batch_norm:
        hidden = norm(hidden, layer.hidden_norm)
    kernel, bias = layer.shortcut.get_weights()
    expected = np.maximum(hidden, 0) @ layer.projection.get_weights()[0]
    expected = norm(expected + maps @ kernel + bias, layer.projection_norm)
    np.testing.assert_allclose(
        layer(features(), training=True),
        expected.reshape(5, 3, 3, 6),
        rtol=1e-3,
        atol=1e-4,
    )


def test_narrower_than_the_map_is_refused():
    with pytest.raises(ValueError, match="at least the 8 channels.*: 6"):
        build(6, 8)


def test_config_builds_the_same_layer():
    layer = build(use_batch_norm=True)
    copy = MapProjection.from_config(layer.get_config())
    copy.build((None, 3, 3, 4))
    assert [w.shape for w in copy.weights] == [w.shape for w in layer.weights]


def test_half_precision_is_near_float32():
    layer = build()
    keras.config.set_dtype_policy("mixed_bfloat16")
    half = build()
    half.set_weights(layer.get_weights())
    np.testing.assert_allclose(
        np.array(half(features(), training=True), "float32"),
        layer(features(), training=True),
        atol=0.05,
    )
