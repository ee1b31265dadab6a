"""Critics: networks that score how well a summary and a map fit together.

A critic is called with `summaries`, of shape `(batch, units)` or, with
several to an image, `(batch, height, width, units)`, and with `maps`, of shape
`(batch, height, width, channels)`. It returns `Pairs`: every summary is an
anchor, the locations of the maps are its candidates. A critic with
`whole_map=True` scores each map as a whole, as the global objective does.
"""

import math

import keras
from keras import layers
from keras import ops

from keras_dim import checks
from keras_dim import configurable
from keras_dim import distribution
from keras_dim import parts
from keras_dim.layers import initializers
from keras_dim.layers import norm
from keras_dim.layers import projection
from keras_dim.mutual_information import pairs


@keras.saving.register_keras_serializable(package="keras_dim")
class DotProductCritic(configurable.Configurable, layers.Layer):
    """Encode-and-dot: inner products of projected summaries and maps.

    Locations and summaries pass a `Projection` each; a summary that has the
    width of the space already is taken as it is, as in the authors' code. A
    whole map passes two strided convolutions and two dense layers, and the
    summary one dense layer.

    Args:
        units: int. Width of the space in which scores are taken. Defaults to
            2048.
        temperature: float, or None for the root of `units`, at which scores
            start near one. Scores are divided by it. The authors' code takes
            1.0, which learns much more slowly at first.
        negatives_from: str. `"all_replicas"` or, with less to exchange and
            fewer negatives, `"own_replica"`. Defaults to the first.
        whole_map: bool. Whether each map has one score. Defaults to `False`.

    Differs from the authors' code where a map is scored whole: that repeats
    the encoder's own layers from the local map on; these are the layers of
    their CIFAR network, for which both are the same.

    Reference: [Hjelm et al., 2019](https://arxiv.org/abs/1808.06670),
    Appendix A.
    """

    def __init__(
        self,
        units=2048,
        temperature=None,
        negatives_from=distribution.ALL_REPLICAS,
        whole_map=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        checks.integers(1, units=units)
        checks.above(0, **checks.given(temperature=temperature))
        checks.one_of(
            distribution.NEGATIVES_FROM, negatives_from=negatives_from
        )
        self.units = units
        self.temperature = temperature
        self.negatives_from = negatives_from
        self.whole_map = whole_map

    def build(self, summaries_shape, maps_shape):
        self.summary_projection = None
        if self.whole_map:
            self.map_projection = self._whole_map_projection(maps_shape)
            self.summary_projection = self._linear(summaries_shape[-1])
        else:
            self.map_projection = self._projection("map_projection")
            if tuple(summaries_shape[1:]) != (self.units,):
                self.summary_projection = self._projection("summary_projection")
        self.map_projection.build(maps_shape)
        if self.summary_projection is not None:
            self.summary_projection.build(summaries_shape)

    def call(self, summaries, maps, training=False):
        maps = self.map_projection(maps, training=training)
        if self.whole_map:
            summaries = self.summary_projection(summaries)
        elif self.summary_projection is not None:
            summaries = self.summary_projection(summaries, training=training)
        return pairs.dot_product_pairs(
            summaries,
            maps,
            self.temperature or math.sqrt(self.units),
            self.negatives_from,
        )

    def _projection(self, name):
        return projection.Projection(
            self.units, dtype=self.dtype_policy, name=name
        )

    def _whole_map_projection(self, maps_shape):
        stack = [keras.Input(maps_shape[1:])]
        for filters in (maps_shape[-1], 2 * maps_shape[-1]):
            convolution = layers.Conv2D(
                filters,
                4,
                2,
                padding="same",
                use_bias=False,
                kernel_initializer=initializers.torch_default(),
                dtype=self.dtype_policy,
            )
            stack += [convolution, *self._norm_and_relu()]
        dense = layers.Dense(
            1024,
            use_bias=False,
            kernel_initializer=initializers.torch_default(),
            dtype=self.dtype_policy,
        )
        stack += [
            layers.Flatten(dtype=self.dtype_policy),
            dense,
            *self._norm_and_relu(),
            self._linear(1024),
        ]
        return keras.Sequential(stack, name="map_projection")

    def _norm_and_relu(self):
        return (
            norm.batch_normalization(dtype=self.dtype_policy),
            layers.ReLU(dtype=self.dtype_policy),
        )

    def _linear(self, num_inputs):
        return layers.Dense(
            self.units,
            kernel_initializer=initializers.torch_default(),
            bias_initializer=initializers.torch_default_bias(num_inputs),
            dtype=self.dtype_policy,
        )


@keras.saving.register_keras_serializable(package="keras_dim")
class ConcatenateCritic(configurable.Configurable, layers.Layer):
    """Concatenate-and-convolve: a small network that sees each pair whole.

    The summary is concatenated with the map at every location; two layers of
    `units` with ReLU and a linear one, all of 1x1 convolutions without biases,
    give the score.

    Args:
        units: int. Width of both hidden layers. Defaults to 512.
        num_negatives: int. How many other images every summary is paired
            with: the ones that follow it in the batch. Defaults to 1.
        negatives_from: str. `"all_replicas"`, where the last image of each is
            followed by the first of the next, or `"own_replica"`. Defaults to
            the first.
        whole_map: bool. Whether the map is flattened to one location. Defaults
            to `False`.

    Differs from the authors' code, which shuffles the locations of the map
    each on its own and may pair an image with itself.

    Reference: [Hjelm et al., 2019](https://arxiv.org/abs/1808.06670),
    Appendix A.
    """

    def __init__(
        self,
        units=512,
        num_negatives=1,
        negatives_from=distribution.ALL_REPLICAS,
        whole_map=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        checks.integers(1, units=units, num_negatives=num_negatives)
        checks.one_of(
            distribution.NEGATIVES_FROM, negatives_from=negatives_from
        )
        self.units = units
        self.num_negatives = num_negatives
        self.negatives_from = negatives_from
        self.whole_map = whole_map

    def build(self, summaries_shape, maps_shape):
        channels = maps_shape[1:] if self.whole_map else maps_shape[-1:]
        num_inputs = summaries_shape[-1] + math.prod(channels)
        stack = [keras.Input((num_inputs,))]
        for units, activation in (
            (self.units, "relu"),
            (self.units, "relu"),
            (1, None),
        ):
            stack.append(
                layers.Dense(
                    units,
                    activation=activation,
                    use_bias=False,
                    kernel_initializer=initializers.torch_default(),
                    dtype=self.dtype_policy,
                )
            )
        self.network = keras.Sequential(stack, name="network")

    def call(self, summaries, maps, training=False):
        if self.whole_map:
            maps = ops.reshape(maps, (-1, 1, 1, math.prod(maps.shape[1:])))
        candidates = self._candidates(pairs.flat_locations(maps))
        # i: images, m: summaries, k: candidates, l: locations, c: channels
        candidates = candidates[:, None]
        summaries = pairs.flat_locations(summaries)[:, :, None, None, :]
        shape = (
            ops.shape(summaries)[0],
            ops.shape(summaries)[1],
            *ops.shape(candidates)[2:4],
        )
        both = ops.concatenate(
            [
                ops.broadcast_to(part, (*shape, part.shape[-1]))
                for part in (summaries, candidates)
            ],
            axis=-1,
        )
        # Dense layers take the pairs as one long batch.
        scores = self.network(ops.reshape(both, (-1, both.shape[-1])))
        step = ops.arange(1 + self.num_negatives)[None, :, None]
        return pairs.Pairs(
            ops.reshape(scores, (-1, *shape[2:])),
            ops.cast(step == 0, "float32"),
            ops.cast(step > 0, "float32"),
        )

    def _candidates(self, maps):
        """Returns each image's own map and those of the images after it."""
        num_images = ops.shape(maps)[0]
        first = 0
        if self.negatives_from == distribution.ALL_REPLICAS:
            first = distribution.first_row(num_images)
            maps = distribution.concat_replicas(maps)
        maps = distribution.require_rows(
            maps,
            1 + self.num_negatives,
            f"A batch must have more images than `num_negatives`, which is "
            f"{self.num_negatives}",
        )
        # Rolled and not looked up: TensorFlow's gradient of a look-up is
        # sparse, and does not find its way back to the other replicas.
        rolled = [
            ops.roll(maps, -(first + step), axis=0)[:num_images]
            for step in range(1 + self.num_negatives)
        ]
        return ops.stack(rolled, axis=1)


CRITICS = {
    "dot_product": DotProductCritic,
    "concatenate": ConcatenateCritic,
}


def get(critic, units=None, bound=None):
    """Returns a critic by its name, or the critic itself.

    Args:
        critic: str, one of `CRITICS`; a dict of a name and arguments, such as
            `{"name": "dot_product", "units": 512}`; or a layer like them.
        units: int or None. Width of a critic by name.
        bound: the bound that takes its scores, or None.

    Raises:
        ValueError: for an unknown name or argument, for a layer of other
            `units`, and for a bound in chunks of scores that are computed.
    """
    made = parts.build("critic", CRITICS, critic, **checks.given(units=units))
    if units is not None and made.units != units:
        raise ValueError(
            f"The critic has units={made.units} already: leave out "
            f"`critic_units`. Received: {units}"
        )
    chunk_size = getattr(bound, "chunk_size", None)
    if chunk_size and isinstance(made, ConcatenateCritic):
        raise ValueError(
            "`chunk_size` is for scores that are inner products, those of a "
            f"DotProductCritic. Received: chunk_size={chunk_size} with a "
            "ConcatenateCritic"
        )
    return made


def copy(critic, **changes):
    """Returns a new critic with the arguments of another, but for changes."""
    return type(critic).from_config(critic.get_config() | changes)
