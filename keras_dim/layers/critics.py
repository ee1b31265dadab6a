"""Critics: networks that score whether a summary and a map fit together.

A critic is called with `summaries`, of shape `(batch, units)` or, with several
per image, `(batch, height, width, units)`, and with `maps`, of shape `(batch,
height, width, channels)`. It returns `Pairs`: the summaries are anchors, the
locations of maps are candidates. A critic with `whole_map=True` gives each map
a single score, as in the global objective of Deep InfoMax.
"""

import math

import keras
from keras import layers
from keras import ops

from keras_dim import checks
from keras_dim import configurable
from keras_dim import distribution
from keras_dim import parts
from keras_dim.layers import heads
from keras_dim.layers import initializers
from keras_dim.layers import location_sampler
from keras_dim.layers import norm
from keras_dim.mutual_information import pairs


@keras.saving.register_keras_serializable(package="keras_dim")
class DotProductCritic(configurable.Configurable, layers.Layer):
    """Encode-and-dot: inner products of projected summaries and maps.

    Locations and summaries are projected by a `Projection` each; summaries that
    have `units` already are not, as in the authors' code. A whole map is
    projected by two strided convolutions and two dense layers, its summary by
    one dense layer. These are the layers of the authors' CIFAR network; for
    others, their code repeats the layers of the encoder.

    Args:
        units: int. Width of the projections. Defaults to 2048.
        temperature: float by which scores are divided, or None for the root of
            `units`, at which scores start near one. The authors' code uses 1.0,
            which learns much more slowly at first. Defaults to None.
        negatives_from: str. `"all_replicas"`, or `"own_replica"`, which
            exchanges less and has fewer negatives. Defaults to
            `"all_replicas"`.
        whole_map: bool. Whether each map has one score. Defaults to `False`.

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
        checks.one_of(distribution.NEGATIVES, negatives_from=negatives_from)
        self.units = units
        self.temperature = temperature
        self.negatives_from = negatives_from
        self.whole_map = whole_map

    def build(self, summaries_shape, maps_shape):
        policy = {"dtype": self.dtype_policy}
        self.summary_projection = None
        if self.whole_map:
            self.map_projection = self._whole_map_projection(maps_shape)
            self.summary_projection = initializers.dense(
                self.units, summaries_shape[-1], **policy
            )
        else:
            self.map_projection = heads.Projection(
                self.units, name="map_projection", **policy
            )
            if tuple(summaries_shape[1:]) != (self.units,):
                self.summary_projection = heads.Projection(
                    self.units, name="summary_projection", **policy
                )
        self.map_projection.build(maps_shape)
        if self.summary_projection is not None:
            self.summary_projection.build(summaries_shape)

    def call(self, summaries, maps, training=False):
        maps = self.map_projection(maps, training=training)
        if self.summary_projection is not None:
            summaries = self.summary_projection(summaries, training=training)
        temperature = self.temperature or math.sqrt(self.units)
        return pairs.dot_product_pairs(
            summaries, maps, temperature, self.negatives_from
        )

    def _whole_map_projection(self, maps_shape):
        policy = {"dtype": self.dtype_policy}

        def convolution(filters):
            options = {"padding": "same", "use_bias": False, **policy}
            options["kernel_initializer"] = initializers.torch_default()
            return layers.Conv2D(filters, 4, 2, **options)

        def block(layer):
            relu = layers.ReLU(**policy)
            return layer, norm.batch_normalization(**policy), relu

        stack = [
            keras.Input(maps_shape[1:]),
            *block(convolution(maps_shape[-1])),
            *block(convolution(2 * maps_shape[-1])),
            layers.Flatten(**policy),
            *block(initializers.dense(1024, **policy)),
            initializers.dense(self.units, 1024, **policy),
        ]
        return keras.Sequential(stack, name="map_projection")


@keras.saving.register_keras_serializable(package="keras_dim")
class ConcatenateCritic(configurable.Configurable, layers.Layer):
    """Concatenate-and-convolve: a small network that scores each pair.

    Two hidden layers of `units` with ReLU and a linear layer, all without
    biases, score a summary concatenated with a location of a map.

    Args:
        units: int. Width of both hidden layers. Defaults to 512.
        num_negatives: int. Number of other images that each summary is paired
            with: the next ones in the batch. Defaults to 1.
        negatives_from, whole_map: see `DotProductCritic`. A whole map is
            flattened to one location.

    Differs from the authors' code, which shuffles each location of the map
    independently and may pair an image with itself.

    Reference: see `DotProductCritic`.
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
        checks.one_of(distribution.NEGATIVES, negatives_from=negatives_from)
        self.units = units
        self.num_negatives = num_negatives
        self.negatives_from = negatives_from
        self.whole_map = whole_map

    def build(self, summaries_shape, maps_shape):
        channels = maps_shape[1:] if self.whole_map else maps_shape[-1:]
        num_inputs = summaries_shape[-1] + math.prod(channels)
        policy = {"dtype": self.dtype_policy}
        stack = [
            keras.Input((num_inputs,)),
            initializers.dense(self.units, activation="relu", **policy),
            initializers.dense(self.units, activation="relu", **policy),
            initializers.dense(1, **policy),
        ]
        self.network = keras.Sequential(stack, name="network")

    def call(self, summaries, maps, training=False):
        if self.whole_map:
            maps = ops.reshape(maps, (-1, 1, 1, math.prod(maps.shape[1:])))
        # i: images, m: summaries, k: candidates, l: locations, c: channels
        candidates = self._candidates(pairs.flat_locations(maps))[:, None]
        summaries = pairs.flat_locations(summaries)[:, :, None, None, :]
        shape = (*ops.shape(summaries)[:2], *ops.shape(candidates)[2:4])
        both = [
            ops.broadcast_to(part, (*shape, part.shape[-1]))
            for part in (summaries, candidates)
        ]
        both = ops.concatenate(both, axis=-1)
        # Dense layers take the pairs as one long batch.
        scores = self.network(ops.reshape(both, (-1, both.shape[-1])))
        step = ops.arange(1 + self.num_negatives)[None, :, None]
        return pairs.Pairs(
            ops.reshape(scores, (-1, *shape[2:])),
            ops.cast(step == 0, "float32"),
            ops.cast(step > 0, "float32"),
        )

    def _candidates(self, maps):
        """Returns each image's own map and those of the next images."""
        num_images = ops.shape(maps)[0]
        first = 0
        if self.negatives_from == distribution.ALL_REPLICAS:
            first = distribution.first_row(num_images)
            maps = distribution.concat_replicas(maps)
        maps = distribution.require_rows(
            maps,
            1 + self.num_negatives,
            "A batch must have more images than `num_negatives`, which is "
            f"{self.num_negatives}",
        )
        # Rolled, as TensorFlow's gradient of a look-up is sparse, and does not
        # reach the other replicas.
        rolled = [
            ops.roll(maps, -(first + step), axis=0)[:num_images]
            for step in range(1 + self.num_negatives)
        ]
        return ops.stack(rolled, axis=1)


class MultiscaleCritic(layers.Layer):
    """Scores pairs of features across scales by clipped inner products.

    Maps are projected to the width of the global feature. `AMDIM` builds it
    from its own arguments, so that it needs no config.
    """

    def __init__(
        self,
        shapes,
        pairings,
        score_limit,
        mixture,
        use_batch_norm,
        negatives_from,
        chunk_size,
        seed,
        **kwargs,
    ):
        super().__init__(**kwargs)
        checks.above(0, **checks.given(score_limit=score_limit))
        checks.one_of(distribution.NEGATIVES, negatives_from=negatives_from)
        _check_pairings(pairings, shapes)
        units = shapes["global"][-1]
        self.score_limit = score_limit
        self.negatives_from = negatives_from
        self.chunk_size = chunk_size
        self.mixture = mixture
        self.scale = math.sqrt(units)
        self.sampler = location_sampler.LocationSampler(1, "middle", seed)
        self.projections = {}
        for name in sorted({name for pairing in pairings for name in pairing}):
            if len(shapes[name]) == 4:
                self.projections[name] = heads.Projection(
                    units,
                    output_norm="batch",
                    hidden_norm=use_batch_norm,
                    zero_start=True,
                    dtype=self.dtype_policy,
                    name=f"{name}_projection",
                )
                self.projections[name].build(shapes[name])
        # A mixture from a file is built already.
        if mixture and not mixture.built:
            mixture.build(shapes["global"])
        self.built = True

    def project(self, features, training=False):
        """Returns the features of a view, all as wide as the global one."""
        return features | {
            name: project(features[name], training=training)
            for name, project in self.projections.items()
        }

    def pairs(self, one, other, source, target, training=False):
        """Returns the `Pairs` of `one[source]` and `other[target]`.

        `one` and `other` are the projected features of two views.
        """
        anchors = one[source]
        if source in self.projections:
            anchors = self.sampler(anchors, training=training)
        elif self.mixture and source == "global":
            anchors = self.mixture(anchors)
        scored = pairs.dot_product_pairs(
            anchors, other[target], self.scale, self.negatives_from
        )
        return scored.clipped(self.score_limit, self.chunk_size)


def _check_pairings(pairings, shapes):
    if not pairings:
        raise ValueError("`pairings` must have one pair or more. Received none")
    units = shapes["global"][-1]
    for pairing in pairings:
        if len(pairing) != 2 or not set(pairing) <= set(shapes):
            raise ValueError(
                "Each of `pairings` must be two features of the encoder, which "
                f"has {sorted(shapes)}. Received: {pairing}"
            )
        for name in pairing:
            if len(shapes[name]) == 2 and shapes[name][-1] != units:
                raise ValueError(
                    "Features that are vectors must have the width of "
                    f"'global', {units}. "
                    f"Received: {name!r} with {shapes[name][-1]} units"
                )


CRITICS = {"dot_product": DotProductCritic, "concatenate": ConcatenateCritic}


def get(critic, units=None, bound=None):
    """Returns a critic by its name, with these `units`, or the critic itself.

    Raises a `ValueError` for a critic with other units, and for a `bound` whose
    `chunk_size` the critic cannot use.
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
            "`chunk_size` needs a DotProductCritic. Received: "
            f"chunk_size={chunk_size} with a ConcatenateCritic"
        )
    return made
