"""Priors to which the distribution of features is matched.

A prior is called with an encoder's features. It returns the summaries and a
dict of terms to be minimised, whose weights in the loss are `term_weights`.
"""

import functools

import keras
from keras import layers
from keras import ops
from keras import random

from keras_dim import checks
from keras_dim import configurable
from keras_dim import distribution
from keras_dim import parts
from keras_dim.layers import initializers
from keras_dim.mutual_information import divergences

DISTRIBUTIONS = ("uniform", "normal")
HIDDEN_UNITS = (1000, 200)


@keras.saving.register_keras_serializable(package="keras_dim")
class AdversarialPrior(configurable.Configurable, layers.Layer):
    """Trains a discriminator that the encoder must fool.

    It returns the features `"global"` unchanged as summaries, and three terms.
    The discriminator learns from the first two only, the encoder from the third
    only.

    - `prior_discrimination`: `softplus(-D(z)) + softplus(D(y))` for draws `z`
      and features `y`, the loss of the original adversarial game;
    - `prior_gradient_penalty`: mean squared norm of the discriminator's
      gradient over draws and features;
    - `prior_fooling`: `softplus(-D(y))`, non-saturating.

    It computes in float32 under any policy.

    Args:
        prior: str. `"uniform"` on [0, 1], to which a sigmoid maps the features,
            or `"normal"`, N(0, 1). Defaults to `"uniform"`.
        gradient_penalty: float. Weight of the penalty. Defaults to 1.
        seed: int or None for a random one. Seed of the draws.

    Differs from the authors' code, whose penalty is that of the last sample of
    a batch: this is the mean over all samples.

    Reference: [Hjelm et al., 2019](https://arxiv.org/abs/1808.06670), Eq. 7;
    the penalty is that of [Mescheder et al., 2018](
    https://arxiv.org/abs/1801.04406).
    """

    features = ("global",)

    def __init__(
        self, prior="uniform", gradient_penalty=1.0, seed=None, **kwargs
    ):
        super().__init__(**{**kwargs, "dtype": "float32"})
        checks.one_of(DISTRIBUTIONS, prior=prior)
        checks.at_least(0, gradient_penalty=gradient_penalty)
        self.prior = prior
        self.gradient_penalty = gradient_penalty
        self.seed = seed
        self.seed_generator = random.SeedGenerator(seed)

    def term_weights(self, gamma):
        """Returns the weight of each term, for a prior of weight `gamma`."""
        return {
            "prior_discrimination": 1.0,
            "prior_gradient_penalty": self.gradient_penalty,
            "prior_fooling": gamma,
        }

    def build(self, features_shape):
        self._kernels_and_biases = []
        num_inputs = features_shape["global"][-1]
        for index, units in enumerate((*HIDDEN_UNITS, 1)):
            start = initializers.torch_default()
            shape, name = (num_inputs, units), f"kernel_{index}"
            kernel = self.add_weight(shape, start, name=name)
            start = initializers.torch_default_bias(num_inputs)
            bias = self.add_weight((units,), start, name=f"bias_{index}")
            self._kernels_and_biases.append((kernel, bias))
            num_inputs = units

    def call(self, features):
        summaries = features["global"]
        units = summaries.shape[-1]
        samples = ops.cast(ops.reshape(summaries, (-1, units)), "float32")
        if self.prior == "uniform":
            samples = ops.sigmoid(samples)
        draws = self.draw(ops.shape(samples)[0], units)
        # A single pass gives all terms. With oneDNN, TensorFlow might update a
        # weight before a second pass without a gradient by it has read it.
        scores, slopes = self.score_and_input_gradient(
            ops.concatenate([draws, ops.stop_gradient(samples)])
        )
        of_draws, of_samples = ops.split(scores, 2)
        _, slopes_of_samples = ops.split(ops.stop_gradient(slopes), 2)
        # The samples' score, with a gradient by the samples and not by weights.
        change = slopes_of_samples * (samples - ops.stop_gradient(samples))
        change = ops.sum(change, axis=-1, keepdims=True)
        seen = ops.stop_gradient(of_samples) + change
        # The mean over both is half the sum of their means.
        penalty = ops.mean(ops.sum(ops.square(slopes), axis=-1))
        return summaries, {
            "prior_discrimination": ops.mean(ops.softplus(-of_draws))
            + ops.mean(ops.softplus(of_samples)),
            "prior_gradient_penalty": penalty,
            "prior_fooling": ops.mean(ops.softplus(-seen)),
        }

    def draw(self, batch_size, units):
        """Returns `(batch_size, units)` draws of the prior."""
        draw = random.uniform if self.prior == "uniform" else random.normal
        return distribution.random_rows(
            draw, batch_size, (units,), self.seed_generator
        )

    def score_and_input_gradient(self, samples):
        """Returns logits `(n, 1)` of samples, and their gradients by these."""
        # Written out, as Keras has no gradient function for all backends. The
        # result can be differentiated with respect to the weights.
        (first, bias_1), (second, bias_2), (last, bias_3) = (
            self._kernels_and_biases
        )
        hidden_1 = ops.relu(ops.matmul(samples, first) + bias_1)
        hidden_2 = ops.relu(ops.matmul(hidden_1, second) + bias_2)
        scores = ops.matmul(hidden_2, last) + bias_3
        gradient = ops.where(hidden_2 > 0, ops.transpose(last), 0.0)
        gradient = ops.matmul(gradient, ops.transpose(second))
        gradient = ops.where(hidden_1 > 0, gradient, 0.0)
        return scores, ops.matmul(gradient, ops.transpose(first))


@keras.saving.register_keras_serializable(package="keras_dim")
class VariationalPrior(configurable.Configurable, layers.Layer):
    """Draws summaries from normal distributions, and keeps these near N(0, I).

    A summary is drawn from the normal distribution of mean `"global"` and log
    variance `"global_log_variance"` such that gradients flow to both. The term
    `prior_divergence` is the mean Kullback-Leibler divergence of these
    distributions from N(0, I), in nats.

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

    def call(self, features):
        mean, log_variance = (
            ops.cast(features[name], "float32") for name in self.features
        )
        rows, shape = ops.shape(mean)[0], mean.shape[1:]
        noise = distribution.random_rows(
            random.normal, rows, shape, self.seed_generator
        )
        drawn = mean + ops.exp(0.5 * log_variance) * noise
        divergence = divergences.normal_to_standard_normal(mean, log_variance)
        return drawn, {"prior_divergence": ops.mean(divergence)}


PRIORS = {
    name: functools.partial(AdversarialPrior, name) for name in DISTRIBUTIONS
} | {"variational": VariationalPrior}


def get(prior, seed=None):
    """Returns a prior by its name, with a seed; a prior or None as given."""
    return parts.build("prior", PRIORS, prior, seed=seed)
