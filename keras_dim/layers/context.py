"""The context network of CPC, whose field of view ends at its own row."""

import keras
from keras import layers

from keras_dim import checks
from keras_dim.layers import initializers


def row_context(channels, units=256, num_blocks=5):
    """Returns a built network whose outputs do not depend on rows below.

    Each residual block has four convolutions: 1 x 1 to `units`, 1 x 3 along the
    row, 2 x 1 with the row above, and 1 x 1 back to `channels`. So a location
    sees its own row and `num_blocks` rows above it, and as many columns to each
    side. Inputs and outputs are `(batch, rows, columns, channels)`.

    Reference: [Henaff et al., 2020](https://arxiv.org/abs/1905.09272).
    """
    checks.integers(1, channels=channels, units=units, num_blocks=num_blocks)
    features = x = keras.Input((None, None, channels))

    def convolution(x, filters, kernel_size, activation="relu"):
        return layers.Conv2D(
            filters,
            kernel_size,
            activation=activation,
            kernel_initializer=initializers.torch_default(),
        )(x)

    for _ in range(num_blocks):
        branch = convolution(x, units, 1)
        branch = layers.ZeroPadding2D((0, 1))(branch)
        branch = convolution(branch, units, (1, 3), activation=None)
        # Padded above only: a row must not see the rows that it predicts.
        branch = layers.ZeroPadding2D(((1, 0), (0, 0)))(branch)
        branch = convolution(branch, units, (2, 1))
        branch = convolution(branch, channels, 1, activation=None)
        x = layers.Add()([x, branch])
    return keras.Model(features, layers.ReLU()(x), name="context")
