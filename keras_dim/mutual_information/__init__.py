"""Critic scores and masks in, nats of mutual information out."""

from keras_dim.mutual_information import bounds
from keras_dim.mutual_information import clipping
from keras_dim.mutual_information import divergences
from keras_dim.mutual_information import masks
from keras_dim.mutual_information import mixtures
from keras_dim.mutual_information.scores import DotProductScores
from keras_dim.mutual_information.scores import Pairs

__all__ = [
    "DotProductScores",
    "Pairs",
    "bounds",
    "clipping",
    "divergences",
    "masks",
    "mixtures",
]
