"""A network for the luminance of an image, and one for its chrominance."""

import keras
from keras import layers

from keras_dim import parts
from keras_dim.encoders.alexnet import half_alexnet
from keras_dim.encoders.amdim_resnet import amdim_resnet
from keras_dim.encoders.resnet import resnet
from keras_dim.layers import lab

NETWORKS = {
    "amdim_resnet": amdim_resnet,
    "half_alexnet": half_alexnet,
    "resnet": resnet,
}
# Mean and deviation of a* and b* in the authors' code. Those of L* are 50.
MEANS = (6.025, -6.6895)
DEVIATIONS = (92.208, 101.1675)


def lab_pair(image_size=32, network="resnet"):
    """Two networks of one kind, for luminance and chrominance.

    Images are brought to CIE L*a*b* within the encoder, normalised as in the
    authors' code.

    Args:
        image_size: int. Height and width of the images. Defaults to 32.
        network: str, `"resnet"`, `"amdim_resnet"` or `"half_alexnet"`; or a
            dict of such a `"name"` and arguments of the function of that name,
            such as `{"name": "resnet", "width": 32}`. Defaults to `"resnet"`.

    Returns:
        Functional `keras.Model` from raw RGB pixels in [0, 255] to a dict of
        `"luminance"` and `"chrominance"`, the `"global"` features of both
        networks, and `"global"`, both in one vector.

    Reference: [Tian et al., 2019](https://arxiv.org/abs/1906.05849).
    """
    make, arguments = parts.factory("network", NETWORKS, network)
    image = keras.Input((image_size, image_size, 3), name="image")
    luminance, chrominance = lab.to_lab(image)

    def as_pixels(values, mean, deviation):
        # The networks take 127.5 from pixels and divide them by it.
        scale = [127.5 / each for each in deviation]
        offset = [127.5 - m * s for m, s in zip(mean, scale, strict=True)]
        return layers.Rescaling(scale, offset, dtype="float32")(values)

    planes = {
        "luminance": as_pixels(luminance, (50.0,), (50.0,)),
        "chrominance": as_pixels(chrominance, MEANS, DEVIATIONS),
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
    return keras.Model(image, features, name=f"lab_pair_{image_size}")
