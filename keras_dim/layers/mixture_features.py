"""Several versions of a representation, for AMDIM with mixtures."""

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

    A network with one hidden layer of rectified units gives each mixture a
    change of the representation, `f_j = f + W_j ReLU(V f + b) + b_j`.

    Args:
        num_mixtures: int. How many features, 1 or more.
        temperature: float. How greedily each target chooses among them; the
            weight of the entropy of its choice is the inverse. Defaults to 1.
        hidden_units: int, or None for as many as the representation has.
            Width of the hidden layer.

    Input shape: `(batch, units)`. Output shape:
    `(batch, num_mixtures, units)`.

    Reference: [Bachman et al., 2019](https://arxiv.org/abs/1906.00910),
    section 3.6. The paper does not tell the width of the hidden layer, nor
    how the weights start; no code of it was published.
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
        """The most by which `combine` exceeds the greatest of its scores."""
        return math.log(self.num_mixtures) / self.temperature

    def combine(self, nce_scores):
        """Returns the value of each target, see `mixtures.combine`."""
        return mixtures.combine(nce_scores, self.num_mixtures, self.temperature)

    def assignments(self, nce_scores, map_size):
        """Returns how much each location chooses each feature.

        From `(images * num_mixtures, height * width)` scores, for a `map_size`
        of `(height, width)`, to `(images, height, width, num_mixtures)`.
        """
        shape = (-1, self.num_mixtures, *map_size)
        scores = ops.moveaxis(ops.reshape(nce_scores, shape), 1, -1)
        return mixtures.assignment(scores, self.temperature)


def get(mixture, bound):
    """Returns a mixture by its size, by a dict of arguments, or itself."""
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
