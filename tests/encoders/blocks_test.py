import keras
import numpy as np
import pytest

from keras_dim.encoders import blocks
from keras_dim.layers import initializers


def model_of(block, shape=(5, 5, 2)):
    x = keras.Input(shape)
    return keras.Model(x, block(x))


def test_strided_convolutions_pad_both_sides_alike():
    model = model_of(
        lambda x: blocks.convolution(x, 1, 3, 2, padding=1, activation=False),
        (4, 4, 1),
    )
    convolution = next(
        layer
        for layer in model.layers
        if isinstance(layer, keras.layers.Conv2D)
    )
    convolution.set_weights([np.ones((3, 3, 1, 1))])
    image = np.arange(16.0).reshape(1, 4, 4, 1)
    padded = np.pad(image[0, :, :, 0], 1)
    sums = [
        [padded[y : y + 3, x : x + 3].sum() for x in (0, 2)] for y in (0, 2)
    ]
    # The norm is new: it divides by sqrt(1 + epsilon).
    np.testing.assert_allclose(
        model(image)[0, :, :, 0], np.array(sums) / np.sqrt(1 + 1e-5), rtol=1e-5
    )


def test_initial_weights_spread_as_their_fan_in_says():
    model = model_of(
        lambda x: blocks.convolution(x, 200, 3, use_bias=True), (5, 5, 10)
    )
    bound = 1 / np.sqrt(3 * 3 * 10)
    for weights in model.layers[1].get_weights():
        assert np.abs(weights).max() <= bound
        # A uniform distribution's deviation; a mean of 200 values at least.
        assert weights.std() == pytest.approx(bound / np.sqrt(3), rel=0.15)
        assert weights.mean() == pytest.approx(0, abs=0.2 * bound)


def test_layers_of_one_shape_start_differently():
    def two(x):
        x = initializers.dense(4, 4)(x)
        return initializers.dense(4, 4)(x)

    model = model_of(two, (4,))
    first, second = (layer.get_weights() for layer in model.layers[1:])
    for one, other in zip(first, second, strict=True):
        assert np.abs(one - other).max() > 1e-3


def test_dropout_takes_whole_channels():
    model = model_of(
        lambda x: blocks.convolution(x, 400, 1, dropout=0.25, activation=False),
        (3, 3, 2),
    )
    dropout = next(
        layer
        for layer in model.layers
        if isinstance(layer, keras.layers.SpatialDropout2D)
    )
    maps = np.array(dropout(np.ones((8, 3, 3, 400)), training=True))
    assert (maps == maps[:, :1, :1]).all()
    assert np.mean(maps == 0) == pytest.approx(0.25, abs=0.05)
