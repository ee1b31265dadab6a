"""Luminance and chrominance of images."""

import keras
from keras import layers

from keras_dim.layers import lab
from keras_dim.views import augmentation


@keras.saving.register_keras_serializable(package="keras_dim")
class LabSplit(layers.Layer):
    """Splits images into their luminance and their two channels of colour.

    Pixels are taken as sRGB and brought to CIE L*a*b* (D65), the same in
    training and inference.

    Returns, when called with images of three channels, a dict of float32
    tensors with `"luminance"`, L* from 0 to 100 in one channel, and
    `"chrominance"`, a* and b* from about -110 to 100 in two.
    """

    def __init__(self, **kwargs):
        super().__init__(**{**kwargs, "dtype": "float32"})

    def call(self, images):
        augmentation.check_images(images.shape)
        luminance, chrominance = lab.to_lab(images)
        return {"luminance": luminance, "chrominance": chrominance}
