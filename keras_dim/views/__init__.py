"""Layers that turn images into the views that methods compare."""

from keras_dim.views.augmentations import RandomCrop
from keras_dim.views.augmentations import RandomFlip
from keras_dim.views.single_view import SingleView
from keras_dim.views.single_view import dim

__all__ = ["RandomCrop", "RandomFlip", "SingleView", "dim"]
