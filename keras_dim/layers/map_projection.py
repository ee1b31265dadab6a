"""The network that takes AMDIM's maps to where scores are inner products."""

import keras
from keras import layers
from keras import ops

from keras_dim.layers import initializers
from keras_dim.layers import norm


@keras.saving.register_keras_serializable(package="keras_dim")
class MapProjection(layers.Layer):
    """Projects each location of a map to the width of the global vector.

    `BN(W_2 ReLU(W_1 x) + W_s x + b)`, the `FakeRKHSConvNet` of the authors'
    code. `W_2` starts at zero, the shortcut `W_s` as a noisy identity.

    Args:
        units: int. Width of the space, at least that of the map.
        use_batch_norm: bool. Whether to normalise the hidden layer, too.
            Defaults to `False`.

    Input shape: `(batch, ..., channels)`. Output shape: `(batch, ..., units)`.

    Reference: [Bachman et al., 2019](https://arxiv.org/abs/1906.00910) and
    the code published with it.
    """

    def __init__(self, units, use_batch_norm=False, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.use_batch_norm = use_batch_norm
        dtype = self.dtype_policy
        self.hidden = layers.Dense(
            units,
            use_bias=False,
            kernel_initializer=initializers.torch_default(),
            dtype=dtype,
            name="hidden",
        )
        self.hidden_norm = None
        if use_batch_norm:
            self.hidden_norm = norm.batch_normalization(
                dtype=dtype, name="hidden_norm"
            )
        self.projection = layers.Dense(
            units,
            use_bias=False,
            kernel_initializer="zeros",
            dtype=dtype,
            name="projection",
        )
        self.projection_norm = norm.batch_normalization(
            dtype=dtype, name="projection_norm"
        )

    def build(self, input_shape):
        channels = input_shape[-1]
        if self.units < channels:
            raise ValueError(
                f"`units` must be at least the {channels} channels of the "
                f"map. Received: {self.units}"
            )
        output_shape = (*input_shape[:-1], self.units)
        self.shortcut = layers.Dense(
            self.units,
            kernel_initializer=initializers.NoisyIdentity(),
            bias_initializer=initializers.torch_default_bias(channels),
            dtype=self.dtype_policy,
            name="shortcut",
        )
        self.hidden.build(input_shape)
        if self.hidden_norm is not None:
            self.hidden_norm.build(output_shape)
        self.projection.build(output_shape)
        self.shortcut.build(input_shape)
        self.projection_norm.build(output_shape)

    def call(self, features, training=False):
        hidden = self.hidden(features)
        if self.hidden_norm is not None:
            hidden = self.hidden_norm(hidden, training=training)
        projected = self.projection(ops.relu(hidden))
        return self.projection_norm(
            projected + self.shortcut(features), training=training
        )

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.units)

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "use_batch_norm": self.use_batch_norm,
        }
