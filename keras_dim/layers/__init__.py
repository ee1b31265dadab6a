"""Layers with weights or state that methods are made of.

Critics, projections, priors and mixtures; queues, banks and teachers.
"""

from keras_dim.layers.adversarial_prior import AdversarialPrior
from keras_dim.layers.critics import ConcatenateCritic
from keras_dim.layers.critics import DotProductCritic
from keras_dim.layers.feature_queue import FeatureQueue
from keras_dim.layers.location_sampler import LocationSampler
from keras_dim.layers.memory_bank import MemoryBank
from keras_dim.layers.mixture_features import MixtureFeatures
from keras_dim.layers.moving_average import MovingAverage
from keras_dim.layers.projection import Projection
from keras_dim.layers.split_batch_norm import SplitBatchNormalization
from keras_dim.layers.split_batch_norm import split_batch_norms
from keras_dim.layers.teacher import Teacher
from keras_dim.layers.variational_prior import VariationalPrior

__all__ = [
    "AdversarialPrior",
    "ConcatenateCritic",
    "DotProductCritic",
    "FeatureQueue",
    "LocationSampler",
    "MemoryBank",
    "MixtureFeatures",
    "MovingAverage",
    "Projection",
    "SplitBatchNormalization",
    "Teacher",
    "VariationalPrior",
    "split_batch_norms",
]
