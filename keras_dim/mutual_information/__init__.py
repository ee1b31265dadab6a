"""Bounds on mutual information, in nats, from scores of pairs and masks.

Functions and small objects without weights.
"""

from keras_dim.mutual_information import bounds
from keras_dim.mutual_information import coding_rate
from keras_dim.mutual_information import divergences
from keras_dim.mutual_information import hypersphere
from keras_dim.mutual_information import mixtures
from keras_dim.mutual_information import nce
from keras_dim.mutual_information import rankings
from keras_dim.mutual_information.bounds import Bound
from keras_dim.mutual_information.bounds import InfoNCE
from keras_dim.mutual_information.pairs import DotProductScores
from keras_dim.mutual_information.pairs import Pairs
from keras_dim.mutual_information.pairs import dot_product_pairs
from keras_dim.mutual_information.pairs import view_pairs

__all__ = [
    "Bound",
    "DotProductScores",
    "InfoNCE",
    "Pairs",
    "bounds",
    "coding_rate",
    "divergences",
    "dot_product_pairs",
    "hypersphere",
    "mixtures",
    "nce",
    "rankings",
    "view_pairs",
]
