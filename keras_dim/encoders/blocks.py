"""The repeating parts of the published encoders."""

import keras
import numpy as np
from keras import layers

from keras_dim.layers import initializers
from keras_dim.layers import norm


def raw_pixels(image_size, channels, mean=0.5, deviation=0.5):
    """Returns the input of an encoder and its pixels, normalised.

    Scaled in float32 whatever the policy: half precision would round what a
    resize left between two whole grey levels.

    Args:
        image_size: int. Height and width.
        channels: int. Number of channels, 1 or more.
        mean, deviation: floats, or one for each channel. What is subtracted
            from pixels in [0, 1], and by what they are divided then. By
            default the result is in [-1, 1].
    """
    for name, value in (("image_size", image_size), ("channels", channels)):
        if not isinstance(value, int) or value < 1:
            raise ValueError(
                f"`{name}` must be a positive integer. Received: {value!r}"
            )
    image = keras.Input((image_size, image_size, channels), name="image")
    mean, deviation = np.array(mean), np.array(deviation)
    scaled = layers.Rescaling(
        (1 / (255 * deviation)).tolist(),
        offset=(-mean / deviation).tolist(),
        dtype="float32",
        name="normalize",
    )(image)
    return image, scaled


def convolution(
    x,
    filters,
    kernel_size,
    strides=1,
    padding=0,
    activation=True,
    use_bias=False,
    kernel_initializer=None,
    dropout=0.0,
):
    """Convolution, channel dropout, batch norm and ReLU, in this order.

    Args:
        padding: int. Rows and columns of zeros on each side. Written out, as
            `"same"` of TensorFlow pads strided maps on one side only.
    """
    if padding:
        x = layers.ZeroPadding2D(padding)(x)
    fan_in = kernel_size**2 * x.shape[-1]
    x = layers.Conv2D(
        filters,
        kernel_size,
        strides,
        use_bias=use_bias,
        kernel_initializer=kernel_initializer or initializers.torch_default(),
        bias_initializer=initializers.torch_default_bias(fan_in),
    )(x)
    if dropout:
        x = layers.SpatialDropout2D(dropout)(x)
    x = norm.batch_normalization()(x)
    return layers.ReLU()(x) if activation else x


def dense(
    x, units, name=None, use_bias=False, kernel_initializer=None, dropout=0.0
):
    """Dense layer, dropout, batch norm and ReLU, in this order."""
    x = linear(x, units, use_bias=use_bias, initializer=kernel_initializer)
    if dropout:
        x = layers.Dropout(dropout)(x)
    x = norm.batch_normalization()(x)
    return layers.ReLU(name=name)(x)


def linear(x, units, name=None, use_bias=True, initializer=None):
    """Dense layer without norm or activation."""
    return layers.Dense(
        units,
        use_bias=use_bias,
        kernel_initializer=initializer or initializers.torch_default(),
        bias_initializer=initializers.torch_default_bias(x.shape[-1]),
        name=name,
    )(x)


def global_vector(x, units, variational):
    """Returns the global vector and, if variational, its log variance.

    Args:
        x: tensor `(batch, features)`.
        units: int. Width of the global vector.
        variational: bool. Whether the vector is the mean of a normal
            distribution, whose log variance is put beside it.

    Returns:
        Dict of named tensors `(batch, units)`.
    """
    outputs = {"global": linear(x, units, name="global")}
    if variational:
        outputs["global_log_variance"] = linear(
            x, units, name="global_log_variance"
        )
    return outputs
