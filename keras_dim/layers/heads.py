"""Heads: small networks between an encoder's features and the loss."""

import keras
from keras import layers
from keras import ops

from keras_dim import checks
from keras_dim import configurable
from keras_dim.layers import initializers
from keras_dim.layers import norm

OUTPUT_NORMS = ("layer", "batch")


@keras.saving.register_keras_serializable(package="keras_dim")
class Projection(configurable.Configurable, layers.Layer):
    """Projects features by one hidden layer and a linear shortcut.

    `Norm(W_2 ReLU(BN(W_1 x)) + W_s x + b)` at every location. The shortcut
    `W_s` starts as a noisy identity if `units` are at least as many as the
    channels.

    The defaults are the `MI1x1ConvNet` of Deep InfoMax. The `FakeRKHSConvNet`
    of AMDIM is `output_norm="batch"`, `hidden_norm=False` and
    `zero_start=True`.

    Args:
        units: int. Width of the hidden layer and of the output.
        output_norm: str. `"layer"` or `"batch"`. Defaults to `"layer"`.
        hidden_norm: bool. Whether to batch-normalise the hidden layer.
            Defaults to `True`.
        zero_start: bool. Whether `W_2` starts at zero. Defaults to `False`.

    Input shape: `(batch, ..., channels)`. Output shape: `(batch, ..., units)`.

    Reference: the code of [Hjelm et al., 2019](
    https://arxiv.org/abs/1808.06670) and of [Bachman et al., 2019](
    https://arxiv.org/abs/1906.00910).
    """

    def __init__(
        self,
        units,
        output_norm="layer",
        hidden_norm=True,
        zero_start=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        checks.integers(1, units=units)
        checks.one_of(OUTPUT_NORMS, output_norm=output_norm)
        self.units = units
        self.output_norm = output_norm
        self.hidden_norm = hidden_norm
        self.zero_start = zero_start

    def build(self, input_shape):
        channels = input_shape[-1]
        hidden_shape = (*input_shape[:-1], self.units)
        policy = {"dtype": self.dtype_policy}

        def dense(name, shape, **options):
            kernel = {"kernel_initializer": initializers.torch_default()}
            options = {"name": name} | policy | kernel | options
            layer = layers.Dense(self.units, **options)
            layer.build(shape)
            return layer

        self.hidden = dense("hidden", input_shape, use_bias=False)
        if self.hidden_norm:
            self.hidden_batch_norm = norm.batch_normalization(
                name="hidden_batch_norm", **policy
            )
            self.hidden_batch_norm.build(hidden_shape)
        start = "zeros" if self.zero_start else initializers.torch_default()
        self.projection = dense(
            "projection", hidden_shape, use_bias=False, kernel_initializer=start
        )
        start = initializers.noisy_identity
        if self.units < channels:
            start = initializers.torch_default
        self.shortcut = dense(
            "shortcut",
            input_shape,
            kernel_initializer=start(),
            # In the code of AMDIM this bias is that of the shortcut, in that of
            # Deep InfoMax that of `W_2`.
            bias_initializer=initializers.torch_default_bias(
                channels if self.zero_start else self.units
            ),
        )
        if self.output_norm == "layer":
            self.norm = layers.LayerNormalization(
                epsilon=1e-5, name="norm", **policy
            )
        else:
            self.norm = norm.batch_normalization(name="norm", **policy)
        self.norm.build(hidden_shape)

    def call(self, features, training=False):
        hidden = self.hidden(features)
        if self.hidden_norm:
            hidden = self.hidden_batch_norm(hidden, training=training)
        projected = self.projection(ops.relu(hidden)) + self.shortcut(features)
        return self.norm(projected, training=training)


def mlp(
    num_inputs,
    hidden_units,
    units,
    batch_norm=False,
    output_bias=True,
    output_norm=False,
    name="head",
):
    """Returns a built `Sequential` of hidden layers with ReLU and a linear one.

    `hidden_units` is an int; a tuple, for several hidden layers; or None for a
    single linear layer. With `batch_norm` hidden layers have batch norm, with
    `output_norm` the output has it, without an offset.
    """
    widths = () if hidden_units is None else hidden_units
    widths = (widths,) if isinstance(widths, int) else tuple(widths)
    for width in widths:
        checks.integers(1, hidden_units=width)
    checks.integers(1, units=units)
    stack = [keras.Input((num_inputs,))]
    for width in widths:
        # Batch norm would remove a bias.
        stack.append(
            initializers.dense(width, num_inputs, use_bias=not batch_norm)
        )
        if batch_norm:
            stack.append(norm.batch_normalization())
        stack.append(layers.ReLU())
        num_inputs = width
    stack.append(initializers.dense(units, num_inputs, use_bias=output_bias))
    if output_norm:
        stack.append(norm.batch_normalization(center=False))
    return keras.Sequential(stack, name=name)


def normalized(vectors):
    """Returns vectors scaled to length one, in float32; zeros stay zero."""
    vectors = ops.cast(vectors, "float32")
    squares = ops.sum(ops.square(vectors), axis=-1, keepdims=True)
    return vectors * ops.rsqrt(ops.maximum(squares, 1e-12))
