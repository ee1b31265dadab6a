"""Views of methods that compare two looks at each image."""

import keras
from keras import layers
from keras import ops

from keras_dim import configurable
from keras_dim.views.augmentation import Augmentation
from keras_dim.views.random_flip import RandomFlip


@keras.saving.register_keras_serializable(package="keras_dim")
class TwoViews(configurable.Configurable, layers.Layer):
    """Makes two views of each image.

    Args:
        augmentations: list of layers from images to images, which draw for
            each view anew. None leave images as they are. Defaults to `()`.
        shared: list of such layers that come first and draw once for both
            views. A `RandomFlip` at their end costs nothing where the first
            of the `augmentations` moves pixels anyway. Defaults to `()`.
        second: list of such layers for the second view alone, which
            `augmentations` then leave to them. They are layers of their own:
            a layer in both lists would come back from a file as two that draw
            the same. `None`, the default, is for both views alike.
        names: tuple of two str. Defaults to `("view_1", "view_2")`.

    Returns, when called with images, a dict with a view under each name. In
    inference the two are equal, unless an augmentation draws there too.
    """

    def __init__(
        self,
        augmentations=(),
        shared=(),
        second=None,
        names=("view_1", "view_2"),
        **kwargs,
    ):
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.augmentations = list(augmentations)
        self.shared = list(shared)
        self.second = None if second is None else list(second)
        self.names = tuple(names)
        if len(set(self.names)) != 2:
            raise ValueError(
                f"`names` must be two different ones. Received: {names!r}"
            )
        in_both = [
            layer.name
            for layer in self.second or ()
            if any(layer is other for other in self.augmentations)
        ]
        if in_both:
            raise ValueError(
                "`second` must be layers of their own. Received some of the "
                f"`augmentations`: {in_both}"
            )

    def call(self, images, training=False):
        first = self.augmentations
        second = first if self.second is None else self.second
        shared, flip = self.shared, {}
        if (
            training
            and shared
            and isinstance(shared[-1], RandomFlip)
            and all(_begins_with_augmentation(each) for each in (first, second))
        ):
            *shared, last = shared
            draws = last.draw(ops.shape(images)[0])
            flip = {"is_mirrored": last.is_mirrored(draws)}
        for augmentation in shared:
            images = augmentation(images, training=training)
        views = {}
        for name, augmentations in zip(
            self.names, (first, second), strict=True
        ):
            view = images
            for index, augmentation in enumerate(augmentations):
                arguments = flip if index == 0 else {}
                view = augmentation(view, training=training, **arguments)
            views[name] = view
        return views


def _begins_with_augmentation(augmentations):
    return bool(augmentations) and isinstance(augmentations[0], Augmentation)
