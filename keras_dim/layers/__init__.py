"""Building blocks of the methods."""

from keras_dim.layers.adversarial_prior import AdversarialPrior
from keras_dim.layers.critic_projection import CriticProjection
from keras_dim.layers.critics import ConcatenateCritic
from keras_dim.layers.critics import DotProductCritic
from keras_dim.layers.critics import GlobalDotProductCritic
from keras_dim.layers.feature_queue import FeatureQueue
from keras_dim.layers.map_projection import MapProjection
from keras_dim.layers.memory_bank import MemoryBank
from keras_dim.layers.mixture_features import MixtureFeatures
from keras_dim.layers.moving_average import MovingAverage
from keras_dim.layers.split_batch_norm import SplitBatchNormalization
from keras_dim.layers.split_batch_norm import split_batch_norms
from keras_dim.layers.teacher import Teacher

__all__ = [
    "AdversarialPrior",
    "ConcatenateCritic",
    "CriticProjection",
    "DotProductCritic",
    "FeatureQueue",
    "GlobalDotProductCritic",
    "MapProjection",
    "MemoryBank",
    "MixtureFeatures",
    "MovingAverage",
    "SplitBatchNormalization",
    "Teacher",
    "split_batch_norms",
]
