"""Priors by name, for a method's `prior=`."""

from keras import layers

from keras_dim import checks
from keras_dim.layers.adversarial_prior import AdversarialPrior
from keras_dim.layers.variational_prior import VariationalPrior

PRIORS = ("uniform", "normal", "variational")


def get(prior, seed=None):
    """Returns the prior of a name, or the prior itself.

    Args:
        prior: str, one of `PRIORS`, or a layer like `AdversarialPrior`.
        seed: int or None. Seed of the draws of a prior by name.
    """
    if isinstance(prior, layers.Layer):
        return prior
    checks.one_of(PRIORS, prior=prior)
    if prior == "variational":
        return VariationalPrior(seed=seed)
    return AdversarialPrior(prior, seed=seed)
