"""The network that takes features to where scores are inner products."""

import keras
from keras import layers
from keras import ops

from keras_dim.layers import initializers
from keras_dim.layers import norm


@keras.saving.register_keras_serializable(package="keras_dim")
class CriticProjection(layers.Layer):
    """Projects features into the space of an encode-and-dot critic.

    `LN(W_2 ReLU(BN(W_1 x)) + b + W_s x)` at every location, the
    `MI1x1ConvNet` of the authors' code. The shortcut `W_s` starts as a noisy
    identity where the space is at least as wide as the features.

    Args:
        units: int. Width of the space.

    Input shape: `(batch, ..., channels)`. Output shape: `(batch, ..., units)`.

    Reference: [Hjelm et al., 2019](https://arxiv.org/abs/1808.06670) and the
    code published with it.
    """

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        dtype = self.dtype_policy
        self.hidden = layers.Dense(
            units,
            use_bias=False,
            kernel_initializer=initializers.torch_default(),
            dtype=dtype,
            name="hidden",
        )
        self.hidden_norm = norm.batch_normalization(
            dtype=dtype, name="hidden_norm"
        )
        self.projection = layers.Dense(
            units,
            kernel_initializer=initializers.torch_default(),
            bias_initializer=initializers.torch_default_bias(units),
            dtype=dtype,
            name="projection",
        )
        self.projection_norm = layers.LayerNormalization(
            epsilon=1e-5, dtype=dtype, name="projection_norm"
        )

    def build(self, input_shape):
        hidden_shape = (*input_shape[:-1], self.units)
        # Cut off, an identity would be no shortcut.
        wide_enough = self.units >= input_shape[-1]
        self.shortcut = layers.Dense(
            self.units,
            use_bias=False,
            kernel_initializer=initializers.NoisyIdentity()
            if wide_enough
            else initializers.torch_default(),
            dtype=self.dtype_policy,
            name="shortcut",
        )
        self.hidden.build(input_shape)
        self.hidden_norm.build(hidden_shape)
        self.projection.build(hidden_shape)
        self.shortcut.build(input_shape)
        self.projection_norm.build(hidden_shape)

    def call(self, features, training=False):
        hidden = self.hidden_norm(self.hidden(features), training=training)
        projected = self.projection(ops.relu(hidden))
        return self.projection_norm(projected + self.shortcut(features))

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.units)

    def get_config(self):
        return {**super().get_config(), "units": self.units}
