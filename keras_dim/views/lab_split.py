"""Luminance and chrominance of images."""

import keras
from keras import layers
from keras import ops

from keras_dim.views import augmentation
from keras_dim.views import color


@keras.saving.register_keras_serializable(package="keras_dim")
class LabSplit(layers.Layer):
    """Splits images into their luminance and their two channels of colour.

    Pixels are taken as sRGB and brought to CIE L*a*b* (D65). Nothing is
    random, and training is no different from inference.

    Returns, when called with images of three channels, a dict of float32
    tensors with `"luminance"`, L* from 0 to 100 in one channel, and
    `"chrominance"`, a* and b* from about -110 to 100 in two.
    """

    def __init__(self, **kwargs):
        super().__init__(**{**kwargs, "dtype": "float32"})

    def call(self, images):
        augmentation.check_images(images.shape)
        if images.shape[-1] != 3:
            raise ValueError(
                "Luminance and chrominance are those of red, green and blue: "
                "images must have three channels. Received: shape "
                f"{tuple(images.shape)}"
            )
        lab = color.to_lab(ops.cast(images, "float32"))
        return {"luminance": lab[..., :1], "chrominance": lab[..., 1:]}
