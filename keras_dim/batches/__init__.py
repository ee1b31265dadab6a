"""Defines what a batch of images and of labels is, and refuses the rest."""

from keras_dim.batches.door import checked
from keras_dim.batches.door import refuse_supervision
from keras_dim.batches.forms import columns
from keras_dim.batches.forms import images_alone
from keras_dim.batches.forms import images_of
from keras_dim.batches.forms import index_of
from keras_dim.batches.forms import is_whole
from keras_dim.batches.forms import iterate
from keras_dim.batches.forms import mapped
from keras_dim.batches.forms import num_images_of
from keras_dim.batches.forms import refuse_sequence
from keras_dim.batches.labels import UNLABELLED
from keras_dim.batches.labels import check_labelled
from keras_dim.batches.labels import labels_of
from keras_dim.batches.pixels import check
from keras_dim.batches.pixels import check_spec
from keras_dim.batches.ranges import ValueRange

__all__ = [
    "UNLABELLED",
    "ValueRange",
    "check",
    "check_labelled",
    "check_spec",
    "checked",
    "columns",
    "images_alone",
    "images_of",
    "index_of",
    "is_whole",
    "iterate",
    "labels_of",
    "mapped",
    "num_images_of",
    "refuse_sequence",
    "refuse_supervision",
]
