"""Random augmentations of images, and the views of published methods."""

from keras_dim.views.color import RandomGrayscale
from keras_dim.views.color import RandomSolarize
from keras_dim.views.color_jitter import ColorJitter
from keras_dim.views.geometry import RandomCrop
from keras_dim.views.geometry import RandomFlip
from keras_dim.views.geometry import RandomTranslation
from keras_dim.views.lab_split import LabSplit
from keras_dim.views.pipelines import SingleView
from keras_dim.views.pipelines import TwoViews
from keras_dim.views.published import amdim
from keras_dim.views.published import byol
from keras_dim.views.published import dim
from keras_dim.views.published import moco_v2
from keras_dim.views.resampling import RandomGaussianBlur
from keras_dim.views.resampling import RandomResizedCrop
from keras_dim.views.show import show_views

VIEWS = {"amdim": amdim, "byol": byol, "dim": dim, "moco_v2": moco_v2}

__all__ = [
    "VIEWS",
    "ColorJitter",
    "LabSplit",
    "RandomCrop",
    "RandomFlip",
    "RandomGaussianBlur",
    "RandomGrayscale",
    "RandomResizedCrop",
    "RandomSolarize",
    "RandomTranslation",
    "SingleView",
    "TwoViews",
    "amdim",
    "byol",
    "dim",
    "moco_v2",
    "show_views",
]
