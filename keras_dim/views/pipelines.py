"""Layers that make views of images by augmentations, and seeds for these."""

import keras
import numpy as np
from keras import layers
from keras import ops

from keras_dim import checks
from keras_dim import configurable
from keras_dim.views import augmentation


@keras.saving.register_keras_serializable(package="keras_dim")
class SingleView(configurable.Configurable, layers.Layer):
    """Passes images through augmentations, one after the other.

    Args:
        augmentations: list of layers from images to images. An empty one
            does not change images. Defaults to `()`.

    Returns, when called with images, a dict with `"image"`.
    """

    def __init__(self, augmentations=(), **kwargs):
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.augmentations = list(augmentations)

    def call(self, images, training=False):
        return {
            "image": augmentation.in_turn(self.augmentations, images, training)
        }


@keras.saving.register_keras_serializable(package="keras_dim")
class TwoViews(configurable.Configurable, layers.Layer):
    """Makes two views of each image.

    Args:
        augmentations: list of layers from images to images, which draw anew
            for each view. An empty one does not change images. Defaults to
            `()`.
        shared: list of such layers that come first and draw once for both
            views. Defaults to `()`.
        second: list of such layers that make the second view in place of
            `augmentations`, or `None` if both views are made alike. No layer
            may be in both lists, since a saved one would be restored as two
            that draw the same numbers.
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
        checks.distinct(2, names=names)
        self.names = tuple(names)
        if len(self.names) != 2:
            raise ValueError(f"`names` must be two. Received: {names!r}")
        ids = [id(layer) for layer in self.augmentations]
        in_both = [one.name for one in self.second or () if id(one) in ids]
        if in_both:
            raise ValueError(
                "`second` must have no layers of `augmentations`: make other "
                f"ones. Received: {in_both}"
            )

    def call(self, images, training=False):
        images = augmentation.in_turn(self.shared, images, training)
        second = self.augmentations if self.second is None else self.second
        return {
            name: augmentation.in_turn(each, images, training)
            for name, each in zip(
                self.names, (self.augmentations, second), strict=True
            )
        }


@keras.saving.register_keras_serializable(package="keras_dim")
class MultiCrop(configurable.Configurable, layers.Layer):
    """Makes several views of each image, all in the same way.

    Args:
        augmentations: list of layers from images to images, which draw anew
            for each view.
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
        # One pass for all views compiles as fast as one for a single view.
        crops = ops.repeat(images, self.num_crops, axis=0)
        crops = augmentation.in_turn(self.augmentations, crops, training)
        shape = (-1, self.num_crops, *crops.shape[1:])
        crops = ops.reshape(crops, shape)
        return {name: crops[:, i] for i, name in enumerate(self.names)}


def names_of(views, default, most=None):
    """Returns the `names` of the views that a layer makes, or `default`.

    Raises:
        ValueError: if there are more than `most`, if that is given.
    """
    names = tuple(getattr(views, "names", default))
    if most is not None and len(names) > most:
        raise ValueError(
            f"This method takes {most} views of each image. Received a layer "
            f"that makes {len(names)}: {list(names)}"
        )
    return names


def seeds_from(seed, count):
    """Returns `count` different seeds made from `seed`; from `None`, `None`s.

    Layers that share one seed would all draw the same numbers.
    """
    if seed is None:
        return [None] * count
    checks.integers(0, seed=seed)
    states = np.random.SeedSequence(seed).generate_state(count)
    # Keras keeps seeds as int32 on some backends.
    return [int(state >> 1) for state in states]
