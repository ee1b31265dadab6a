"""Layers with weights or state, of which methods consist.

Critics, projections, priors and mixtures; queues, banks and teachers.
"""

from keras_dim.layers.bounds import NoiseContrastiveBound
from keras_dim.layers.critics import ConcatenateCritic
from keras_dim.layers.critics import DotProductCritic
from keras_dim.layers.frozen import FrozenNetwork
from keras_dim.layers.heads import Projection
from keras_dim.layers.location_sampler import LocationSampler
from keras_dim.layers.memory import FeatureQueue
from keras_dim.layers.memory import MemoryBank
from keras_dim.layers.memory import MovingAverage
from keras_dim.layers.mixture_features import MixtureFeatures
from keras_dim.layers.moving_covariance import MovingCovariance
from keras_dim.layers.noise_contrast import NoiseContrast
from keras_dim.layers.noise_sampler import NoiseSampler
from keras_dim.layers.norm import SplitBatchNormalization
from keras_dim.layers.norm import split_batch_norms
from keras_dim.layers.priors import AdversarialPrior
from keras_dim.layers.priors import VariationalPrior
from keras_dim.layers.teacher import Teacher

__all__ = [
    "AdversarialPrior",
    "ConcatenateCritic",
    "DotProductCritic",
    "FeatureQueue",
    "FrozenNetwork",
    "LocationSampler",
    "MemoryBank",
    "MixtureFeatures",
    "MovingAverage",
    "MovingCovariance",
    "NoiseContrast",
    "NoiseContrastiveBound",
    "NoiseSampler",
    "Projection",
    "SplitBatchNormalization",
    "Teacher",
    "VariationalPrior",
    "split_batch_norms",
]
