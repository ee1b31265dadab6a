"""Priors by name, for a method's `prior=`."""

import functools

from keras_dim import parts
from keras_dim.layers.adversarial_prior import AdversarialPrior
from keras_dim.layers.variational_prior import VariationalPrior

PRIORS = {
    "uniform": functools.partial(AdversarialPrior, "uniform"),
    "normal": functools.partial(AdversarialPrior, "normal"),
    "variational": VariationalPrior,
}


def get(prior, seed=None):
    """Returns a prior by its name, or the prior itself.

    Args:
        prior: str, one of `PRIORS`; a dict of a name and arguments; a layer
            like `AdversarialPrior`; or None for no prior.
        seed: int or None. Seed of the draws of a prior by name.
    """
    return parts.build("prior", PRIORS, prior, seed=seed)
