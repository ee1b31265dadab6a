"""Building blocks of the methods."""

from keras_dim.layers.adversarial_prior import AdversarialPrior
from keras_dim.layers.critics import ConcatenateCritic
from keras_dim.layers.critics import DotProductCritic
from keras_dim.layers.location_sampler import LocationSampler
from keras_dim.layers.mixture_features import MixtureFeatures
from keras_dim.layers.projection import Projection
from keras_dim.layers.variational_prior import VariationalPrior

__all__ = [
    "AdversarialPrior",
    "ConcatenateCritic",
    "DotProductCritic",
    "LocationSampler",
    "MixtureFeatures",
    "Projection",
    "VariationalPrior",
]
