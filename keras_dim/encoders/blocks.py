"""The repeating parts of the published encoders."""

import keras
import numpy as np
from keras import layers

from keras_dim import checks
from keras_dim.layers import initializers
from keras_dim.layers import norm


def raw_pixels(image_size, channels, mean=0.5, deviation=0.5):
    """Returns the input of an encoder and its pixels, normalised.

    Mean and standard deviation are those of pixels in [0, 1], one for each
    channel or for all. By default the result is in [-1, 1].
    """
    checks.integers(1, image_size=image_size, channels=channels)
    image = keras.Input((image_size, image_size, channels), name="image")
    mean, deviation = np.array(mean, float), np.array(deviation, float)
    are_of_pixels = (mean >= 0).all() and (0 < deviation).all()
    # NaN is in no order.
    are_of_pixels &= (mean <= 1).all() and (deviation <= 1).all()
    shapes = {mean.shape, deviation.shape}
    if not are_of_pixels or not shapes <= {(), (channels,)}:
        raise ValueError(
            "The mean and the deviation of pixels in [0, 1] must be one number "
            f"each, or one for each of {channels} channel(s). Received: "
            f"{mean.tolist()} and {deviation.tolist()}"
        )
    scaled = layers.Rescaling(
        (1 / (255 * deviation)).tolist(),
        offset=(-mean / deviation).tolist(),
        # Half precision would round resized pixels to whole grey levels.
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
    make_kernel=initializers.torch_default,
    bias_initializer=None,
    dropout=0.0,
    make_norm=norm.batch_normalization,
):
    """Convolution, channel dropout, normalisation and ReLU, in this order."""
    if padding:
        # TensorFlow's "same" pads strided maps on one side only.
        x = layers.ZeroPadding2D(padding)(x)
    x = layers.Conv2D(
        filters,
        kernel_size,
        strides,
        use_bias=use_bias,
        kernel_initializer=make_kernel(),
        bias_initializer=bias_initializer
        or initializers.torch_default_bias(kernel_size**2 * x.shape[-1]),
    )(x)
    if dropout:
        x = layers.SpatialDropout2D(dropout)(x)
    if make_norm:
        x = make_norm()(x)
    return layers.ReLU()(x) if activation else x


def dense(
    x,
    units,
    name=None,
    use_bias=False,
    make_kernel=initializers.torch_default,
    dropout=0.0,
):
    """Dense layer, dropout, batch norm and ReLU, in this order."""
    x = initializers.dense(
        units,
        x.shape[-1],
        use_bias=use_bias,
        kernel_initializer=make_kernel(),
    )(x)
    if dropout:
        x = layers.Dropout(dropout)(x)
    x = norm.batch_normalization()(x)
    return layers.ReLU(name=name)(x)


def encoder(image, features, global_units, variational, name):
    """Returns the model that adds `"global"`, a linear layer on `"fc"`."""
    outputs, fc = dict(features), features["fc"]
    for output in ["global", "global_log_variance"][: 1 + variational]:
        layer = initializers.dense(global_units, fc.shape[-1], name=output)
        outputs[output] = layer(fc)
    return keras.Model(image, outputs, name=name)
