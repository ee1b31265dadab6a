"""Objectives of training from scores and masks, and estimates in nats.

`bounds`, `rankings` and the like are functions and small objects without
weights, by which methods train. `estimate` estimates the mutual information of
samples.
"""

from keras_dim.mutual_information import bounds
from keras_dim.mutual_information import coding_rate
from keras_dim.mutual_information import critics
from keras_dim.mutual_information import divergences
from keras_dim.mutual_information import estimation
from keras_dim.mutual_information import hypersphere
from keras_dim.mutual_information import mixtures
from keras_dim.mutual_information import nce
from keras_dim.mutual_information import rankings
from keras_dim.mutual_information import readings
from keras_dim.mutual_information import references
from keras_dim.mutual_information.bounds import Bound
from keras_dim.mutual_information.bounds import InfoNCE
from keras_dim.mutual_information.estimation import Estimate
from keras_dim.mutual_information.estimation import estimate
from keras_dim.mutual_information.pairs import DotProductScores
from keras_dim.mutual_information.pairs import Pairs
from keras_dim.mutual_information.pairs import dot_product_pairs
from keras_dim.mutual_information.pairs import view_pairs

__all__ = [
    "Bound",
    "DotProductScores",
    "Estimate",
    "InfoNCE",
    "Pairs",
    "bounds",
    "coding_rate",
    "critics",
    "divergences",
    "dot_product_pairs",
    "estimate",
    "estimation",
    "hypersphere",
    "mixtures",
    "nce",
    "rankings",
    "readings",
    "references",
    "view_pairs",
]
