"""The mixture of representations of AMDIM."""

import math

import keras
from keras import layers
from keras import ops

from keras_dim import checks
from keras_dim import configurable
from keras_dim.layers import initializers
from keras_dim.mutual_information import bounds
from keras_dim.mutual_information import mixtures


@keras.saving.register_keras_serializable(package="keras_dim")
class MixtureFeatures(configurable.Configurable, layers.Layer):
    """Computes the features of a mixture from one representation.

    A network with one hidden layer adds a change to the representation for each
    feature: `f_j = f + W_j ReLU(V f + b) + b_j`.

    Args:
        num_mixtures: int. Number of features, 1 or more.
        temperature: float. Inverse weight of the entropy with which each target
            chooses among them. Defaults to 1.
        hidden_units: int, width of the hidden layer, or None for that of the
            representation. Defaults to None.

    Input shape: `(batch, units)`. Output shape:
    `(batch, num_mixtures, units)`.

    Reference: [Bachman et al., 2019](https://arxiv.org/abs/1906.00910),
    section 3.6. The paper does not give the width of the hidden layer and the
    initial weights, and its code has no mixtures.
    """

    def __init__(
        self, num_mixtures, temperature=1.0, hidden_units=None, **kwargs
    ):
        super().__init__(**kwargs)
        hidden = checks.given(hidden_units=hidden_units)
        checks.integers(1, num_mixtures=num_mixtures, **hidden)
        checks.above(0, temperature=temperature)
        self.num_mixtures = num_mixtures
        self.temperature = temperature
        self.hidden_units = hidden_units

    def build(self, input_shape):
        units = input_shape[-1]
        hidden_units = self.hidden_units or units
        policy = {"dtype": self.dtype_policy}
        self.hidden = initializers.dense(
            hidden_units, units, activation="relu", name="hidden", **policy
        )
        self.changes = initializers.dense(
            self.num_mixtures * units, hidden_units, name="changes", **policy
        )
        self.hidden.build(input_shape)
        self.changes.build((*input_shape[:-1], hidden_units))

    def call(self, representation):
        units = representation.shape[-1]
        changes = self.changes(self.hidden(representation))
        changes = ops.reshape(changes, (-1, self.num_mixtures, units))
        return representation[:, None, :] + changes

    @property
    def gain(self):
        """The most by which a result of `combine` exceeds its best score."""
        return math.log(self.num_mixtures) / self.temperature

    def combine(self, nce_scores):
        """Returns the value of each target, see `mixtures.combine`."""
        return mixtures.combine(nce_scores, self.num_mixtures, self.temperature)

    def assignments(self, nce_scores, map_size):
        """Returns each location's distribution over features.

        From `(images * num_mixtures, height * width)` scores, for a `map_size`
        of `(height, width)`, to `(images, height, width, num_mixtures)`.
        """
        shape = (-1, self.num_mixtures, *map_size)
        scores = ops.moveaxis(ops.reshape(nce_scores, shape), 1, -1)
        return mixtures.assignment(scores, self.temperature)


def get(mixture, bound):
    """Returns a mixture by its number or arguments, or the mixture itself."""
    if isinstance(mixture, int):
        mixture = {"num_mixtures": mixture}
    if isinstance(mixture, dict):
        checks.keywords(MixtureFeatures, mixture, "The mixture")
        mixture = MixtureFeatures(**mixture)
    if mixture and not isinstance(bound, bounds.InfoNCE):
        raise ValueError(
            f"A mixture needs the bound 'info_nce'. Received: {bound}"
        )
    return mixture
