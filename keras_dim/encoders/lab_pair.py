"""A network for the luminance of an image, and one for its chrominance."""

import keras
from keras import layers

from keras_dim import checks
from keras_dim import parts
from keras_dim.encoders.alexnet import half_alexnet
from keras_dim.encoders.amdim_resnet import amdim_resnet
from keras_dim.encoders.resnet import resnet
from keras_dim.layers import color_spaces

NETWORKS = {
    "amdim_resnet": amdim_resnet,
    "half_alexnet": half_alexnet,
    "resnet": resnet,
}
# Means and deviations of the three channels in the authors' code.
STATISTICS = {
    "lab": ((50.0, 6.025, -6.6895), (50.0, 92.208, 101.1675)),
    "ycbcr": ((116.151, 121.080, 132.342), (109.5, 111.855, 111.964)),
}


def lab_pair(image_size=32, network="resnet", color_space="lab"):
    """Two networks of one kind, for luminance and chrominance.

    The encoder converts images to CIE L*a*b* or YCbCr, normalised as in the
    authors' code. `"amdim_resnet"` gets twice these values, as it divides
    images that are not RGB by a smaller deviation.

    Args:
        image_size: int. Height and width of the images. Defaults to 32.
        network: str, `"resnet"`, `"amdim_resnet"` or `"half_alexnet"`; or a
            dict of such a `"name"` and arguments of the function of that name,
            such as `{"name": "resnet", "width": 32}`. Defaults to `"resnet"`.
        color_space: str. `"lab"` or `"ycbcr"`, which the authors found better
            by half a percent or one. Defaults to `"lab"`.

    Returns:
        Functional `keras.Model` from raw RGB pixels in [0, 255] to a dict of
        `"luminance"` and `"chrominance"`, the `"global"` features of both
        networks, of shape `(batch, units)`, and `"global"`, the two
        concatenated, `(batch, 2 * units)`.

    Raises:
        ValueError: for an unknown network, argument or color space.

    Reference: [Tian et al., 2019](https://arxiv.org/abs/1906.05849).
    """
    make, arguments = parts.factory("network", NETWORKS, network)
    checks.one_of(STATISTICS, color_space=color_space)
    image = keras.Input((image_size, image_size, 3), name="image")
    luminance, chrominance = color_spaces.COLOR_SPACES[color_space](image)
    means, deviations = STATISTICS[color_space]

    def as_pixels(values, mean, deviation):
        # The networks subtract 127.5 from pixels, and divide them by 127.5:
        # `amdim_resnet` by half of that.
        scale = [127.5 / each for each in deviation]
        offset = [127.5 - m * s for m, s in zip(mean, scale, strict=True)]
        return layers.Rescaling(scale, offset, dtype="float32")(values)

    planes = {
        "luminance": as_pixels(luminance, means[:1], deviations[:1]),
        "chrominance": as_pixels(chrominance, means[1:], deviations[1:]),
    }
    features = {}
    for name, pixels in planes.items():
        made = make(image_size, channels=pixels.shape[-1], **arguments)
        # Two parts of a model need two names.
        made = keras.Model(
            made.input, made.output["global"], name=f"{name}_network"
        )
        features[name] = made(pixels)
    features["global"] = layers.Concatenate()(list(features.values()))
    return keras.Model(image, features, name=f"{color_space}_pair_{image_size}")
