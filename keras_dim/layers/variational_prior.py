"""Matching of features to a normal prior by their divergence from it."""

import keras
from keras import layers
from keras import ops
from keras import random

from keras_dim import configurable
from keras_dim import distribution
from keras_dim.mutual_information import divergences


@keras.saving.register_keras_serializable(package="keras_dim")
class VariationalPrior(configurable.Configurable, layers.Layer):
    """Draws summaries from a normal distribution that is held to N(0, I).

    Called with an encoder's features, it draws each summary from the normal
    distribution of mean `"global"` and log variance `"global_log_variance"`,
    such that gradients reach both, and returns it with the term
    `prior_divergence`, the mean divergence from N(0, I) in nats.

    Args:
        seed: int or None for a random one. Seed of the draws.

    Reference: [Kingma and Welling, 2014](https://arxiv.org/abs/1312.6114),
    Eq. 10.
    """

    features = ("global", "global_log_variance")

    def __init__(self, seed=None, **kwargs):
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.seed = seed
        self.seed_generator = random.SeedGenerator(seed)

    def term_weights(self, gamma):
        """Returns the weight of each term, for a prior of weight `gamma`."""
        return {"prior_divergence": gamma}

    def build(self, features_shape):
        pass

    def call(self, features):
        mean, log_variance = (
            ops.cast(features[name], "float32") for name in self.features
        )
        noise = distribution.draw_for_own_rows(
            lambda num_rows: random.normal(
                (num_rows, *mean.shape[1:]), seed=self.seed_generator
            ),
            ops.shape(mean)[0],
        )
        divergence = divergences.normal_to_standard_normal(mean, log_variance)
        return (
            mean + ops.exp(0.5 * log_variance) * noise,
            {"prior_divergence": ops.mean(divergence)},
        )
