"""Networks from raw pixels to a dict of named features."""

from keras_dim.encoders.alexnet import dim_alexnet
from keras_dim.encoders.alexnet import folded_dim_alexnet
from keras_dim.encoders.alexnet import half_alexnet
from keras_dim.encoders.alexnet import small_alexnet
from keras_dim.encoders.amdim_resnet import amdim_resnet
from keras_dim.encoders.backbone import from_backbone
from keras_dim.encoders.backbone import map_layers
from keras_dim.encoders.classifier import classifier
from keras_dim.encoders.classifier import unfreeze
from keras_dim.encoders.dim_convnet import dim_convnet
from keras_dim.encoders.dim_resnet import dim_resnet
from keras_dim.encoders.features import default_feature
from keras_dim.encoders.lab_pair import lab_pair
from keras_dim.encoders.patch_resnet import patch_resnet
from keras_dim.encoders.resnet import resnet
from keras_dim.encoders.stored_values import how_read
from keras_dim.encoders.stored_values import value_range
from keras_dim.encoders.stored_values import with_range

ENCODERS = {
    "amdim_resnet": amdim_resnet,
    "dim_alexnet": dim_alexnet,
    "dim_convnet": dim_convnet,
    "dim_resnet": dim_resnet,
    "folded_dim_alexnet": folded_dim_alexnet,
    "half_alexnet": half_alexnet,
    "lab_pair": lab_pair,
    "patch_resnet": patch_resnet,
    "resnet": resnet,
    "small_alexnet": small_alexnet,
}

__all__ = [
    "ENCODERS",
    "amdim_resnet",
    "classifier",
    "default_feature",
    "dim_alexnet",
    "dim_convnet",
    "dim_resnet",
    "folded_dim_alexnet",
    "from_backbone",
    "half_alexnet",
    "how_read",
    "lab_pair",
    "map_layers",
    "patch_resnet",
    "resnet",
    "small_alexnet",
    "unfreeze",
    "value_range",
    "with_range",
]
