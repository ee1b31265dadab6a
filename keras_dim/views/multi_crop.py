"""Any number of views of each image."""

import keras
from keras import layers
from keras import ops

from keras_dim import checks
from keras_dim import configurable
from keras_dim.views import augmentation


@keras.saving.register_keras_serializable(package="keras_dim")
class MultiCrop(configurable.Configurable, layers.Layer):
    """Makes several views of each image, all drawn alike.

    Args:
        augmentations: list of layers from images to images, which draw for
            each view anew.
        num_crops: int. Number of views, 2 or more.
        shared: list of such layers that come first and draw once for all views.
            Defaults to `()`.

    Returns, when called with images, a dict of `"view_1"`, `"view_2"` and so
    on, which are the layer's `names`.
    """

    def __init__(self, augmentations, num_crops, shared=(), **kwargs):
        super().__init__(**{**kwargs, "dtype": "float32"})
        checks.integers(2, num_crops=num_crops)
        self.augmentations = list(augmentations)
        self.num_crops = num_crops
        self.shared = list(shared)
        self.names = tuple(f"view_{i + 1}" for i in range(num_crops))

    def call(self, images, training=False):
        images = augmentation.in_turn(self.shared, images, training)
        # All in one pass, which compiles as fast as that of a single view.
        crops = ops.repeat(images, self.num_crops, axis=0)
        crops = augmentation.in_turn(self.augmentations, crops, training)
        shape = (-1, self.num_crops, *crops.shape[1:])
        crops = ops.reshape(crops, shape)
        return {name: crops[:, i] for i, name in enumerate(self.names)}
