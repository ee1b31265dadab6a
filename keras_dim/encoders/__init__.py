"""Networks from raw pixels to a dict of named features."""

from keras_dim import public
from keras_dim.encoders.alexnet import dim_alexnet
from keras_dim.encoders.alexnet import folded_dim_alexnet
from keras_dim.encoders.alexnet import half_alexnet
from keras_dim.encoders.alexnet import small_alexnet
from keras_dim.encoders.amdim_resnet import amdim_resnet
from keras_dim.encoders.backbone import from_backbone
from keras_dim.encoders.dim_convnet import dim_convnet
from keras_dim.encoders.dim_resnet import dim_resnet
from keras_dim.encoders.features import default_feature
from keras_dim.encoders.lab_pair import lab_pair
from keras_dim.encoders.patch_resnet import patch_resnet
from keras_dim.encoders.resnet import resnet

_NETWORKS = (amdim_resnet, dim_alexnet, dim_convnet, dim_resnet)
_NETWORKS += (folded_dim_alexnet, half_alexnet, lab_pair, patch_resnet)
_NETWORKS += (resnet, small_alexnet)
ENCODERS = {network.__name__: network for network in _NETWORKS}

__all__ = public.names(__name__)
