"""Half of an AlexNet, the network of one view of CMC."""

import keras
from keras import layers

from keras_dim.encoders import blocks

# Filters, kernel size, stride and padding of the convolutions, and which are
# followed by max pooling.
CONVOLUTIONS = (
    (48, 11, 4, 2, True),
    (128, 5, 1, 2, True),
    (192, 3, 1, 1, False),
    (192, 3, 1, 1, False),
    (128, 3, 1, 1, True),
)


def half_alexnet(image_size=224, channels=3, units=2048):
    """AlexNet with half of its filters, batch-normalised.

    Args:
        image_size: int. Height and width of the images, 63 at least. Defaults
            to 224.
        channels: int. Channels of the images. Defaults to 3.
        units: int. Width of both dense layers. Defaults to 2048.

    Returns:
        Functional `keras.Model` from raw pixels in [0, 255] to a dict of
        `"conv"` (6 x 6 x 128 for 224 pixels), `"fc"` and `"global"`, the first
        and the second dense layer.

    Reference: [Tian et al., 2019](https://arxiv.org/abs/1906.05849).
    """
    image, x = blocks.raw_pixels(image_size, channels)
    for filters, kernel_size, strides, padding, pool in CONVOLUTIONS:
        x = blocks.convolution(
            x,
            filters,
            kernel_size,
            strides,
            padding,
            kernel_initializer=keras.initializers.VarianceScaling(
                2.0, "fan_out", "untruncated_normal"
            ),
        )
        if pool:
            x = layers.MaxPooling2D(3, 2)(x)
    fc = blocks.dense(layers.Flatten()(x), units, name="fc", use_bias=True)
    last = blocks.dense(fc, units, name="global", use_bias=True)
    features = {"conv": x, "fc": fc, "global": last}
    return keras.Model(image, features, name=f"half_alexnet_{image_size}")
