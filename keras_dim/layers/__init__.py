"""Building blocks of the methods."""

from keras_dim.layers.adversarial_prior import AdversarialPrior
from keras_dim.layers.critic_projection import CriticProjection
from keras_dim.layers.critics import ConcatenateCritic
from keras_dim.layers.critics import DotProductCritic
from keras_dim.layers.critics import GlobalDotProductCritic
from keras_dim.layers.map_projection import MapProjection
from keras_dim.layers.mixture_features import MixtureFeatures

__all__ = [
    "AdversarialPrior",
    "ConcatenateCritic",
    "CriticProjection",
    "DotProductCritic",
    "GlobalDotProductCritic",
    "MapProjection",
    "MixtureFeatures",
]
