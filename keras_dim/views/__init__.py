"""Random augmentations of images, and the views of published methods.

Some arguments mean the same in all published views:

    image_size: int. Height and width of the views.
    min_scale: float. Smallest share of the image's area in a random box.
    gray_probability: float. Share of views that become grey.
    seed: int or None for a random one.

If a view is a random box that is resized to `image_size`, the view in inference
is a central square: the shorter side of the image is resized to 8 / 7 of
`image_size` (256 for 224) by the same method, and the square is cut out;
`amdim` has other sizes. For an `image_size` of up to 32, as of CIFAR, the
shorter side is resized to `image_size` itself, and `moco_v2`, `byol` and
`simclr` do not blur by default. Blurs have a standard deviation of 0.1 to 2
pixels.
"""

from keras_dim.views.bands import RandomBandJitter
from keras_dim.views.bands import RandomNoise
from keras_dim.views.color import ColorJitter
from keras_dim.views.color import RandomChannelDrop
from keras_dim.views.color import RandomGrayscale
from keras_dim.views.color import RandomSolarize
from keras_dim.views.geometry import RandomCrop
from keras_dim.views.geometry import RandomFlip
from keras_dim.views.geometry import RandomQuarterTurn
from keras_dim.views.geometry import RandomTranslation
from keras_dim.views.lab_split import LabSplit
from keras_dim.views.on_range import OnRange
from keras_dim.views.pipelines import MultiCrop
from keras_dim.views.pipelines import SingleView
from keras_dim.views.pipelines import TwoViews
from keras_dim.views.published import alignment_uniformity
from keras_dim.views.published import amdim
from keras_dim.views.published import any_bands
from keras_dim.views.published import byol
from keras_dim.views.published import cmc
from keras_dim.views.published import cpc
from keras_dim.views.published import cpc_patches
from keras_dim.views.published import dim
from keras_dim.views.published import instance_discrimination
from keras_dim.views.published import moco_v1
from keras_dim.views.published import moco_v2
from keras_dim.views.published import multi_crop
from keras_dim.views.published import simclr
from keras_dim.views.resampling import RandomGaussianBlur
from keras_dim.views.resampling import RandomResizedCrop
from keras_dim.views.show import show_views

VIEWS = {
    "alignment_uniformity": alignment_uniformity,
    "amdim": amdim,
    "any_bands": any_bands,
    "byol": byol,
    "cmc": cmc,
    "cpc": cpc,
    "cpc_patches": cpc_patches,
    "dim": dim,
    "instance_discrimination": instance_discrimination,
    "moco_v1": moco_v1,
    "moco_v2": moco_v2,
    "multi_crop": multi_crop,
    "simclr": simclr,
}

__all__ = [
    "ColorJitter",
    "LabSplit",
    "MultiCrop",
    "OnRange",
    "RandomBandJitter",
    "RandomChannelDrop",
    "RandomCrop",
    "RandomFlip",
    "RandomGaussianBlur",
    "RandomGrayscale",
    "RandomNoise",
    "RandomQuarterTurn",
    "RandomResizedCrop",
    "RandomSolarize",
    "RandomTranslation",
    "SingleView",
    "TwoViews",
    "VIEWS",
    "alignment_uniformity",
    "amdim",
    "any_bands",
    "byol",
    "cmc",
    "cpc",
    "cpc_patches",
    "dim",
    "instance_discrimination",
    "moco_v1",
    "moco_v2",
    "multi_crop",
    "show_views",
    "simclr",
]
