"""Splits images into luminance and chrominance."""

import keras
from keras import layers

from keras_dim import checks
from keras_dim import configurable
from keras_dim.layers import color_spaces
from keras_dim.views import augmentation


@keras.saving.register_keras_serializable(package="keras_dim")
class LabSplit(configurable.Configurable, layers.Layer):
    """Splits colour images into luminance and chrominance.

    It does the same in training and in inference.

    Args:
        color_space: str. `"lab"` is CIE L*a*b* of sRGB pixels; `"ycbcr"` is
            that of digital video. See `layers.color_spaces`. Defaults to
            `"lab"`.

    Returns, when called with images of three channels, a dict of float32
    tensors with `"luminance"`, L* from 0 to 100 or Y from 16 to 235 in one
    channel, and `"chrominance"`, a* and b* from about -110 to 100 or Cb and Cr
    from 16 to 240 in two.
    """

    def __init__(self, color_space="lab", **kwargs):
        super().__init__(**{**kwargs, "dtype": "float32"})
        checks.one_of(color_spaces.COLOR_SPACES, color_space=color_space)
        self.color_space = color_space

    def call(self, images):
        augmentation.check_images(images.shape)
        luminance, chrominance = color_spaces.COLOR_SPACES[self.color_space](
            images
        )
        return {"luminance": luminance, "chrominance": chrominance}
