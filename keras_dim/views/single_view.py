"""Views of methods that look at each image once."""

import keras
from keras import layers

from keras_dim import configurable
from keras_dim.views import augmentation


@keras.saving.register_keras_serializable(package="keras_dim")
class SingleView(configurable.Configurable, layers.Layer):
    """Passes images through augmentations, one after the other.

    Args:
        augmentations: list of layers from images to images. None leave the
            images as they are. Defaults to `()`.

    Returns, when called with images, a dict with `"image"`.
    """

    def __init__(self, augmentations=(), **kwargs):
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.augmentations = list(augmentations)

    def call(self, images, training=False):
        image = augmentation.in_turn(self.augmentations, images, training)
        return {"image": image}
