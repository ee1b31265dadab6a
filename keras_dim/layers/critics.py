"""Critics: networks that score how well a summary and a part fit together.

A critic is called with `summaries`, of shape `(batch, units)` or, with
several to an image, `(batch, height, width, units)`, and with `parts`, of
shape `(batch, height, width, channels)`. It returns `Pairs`: every summary is
an anchor, the parts of all images on all replicas are its candidates.

The summaries travel, and the parts stay: a map has many parts and few
summaries. Each replica scores the summaries of all of them against its own
images' parts, a part of every row; see `bounds` for what makes it whole.
"""

import keras
from keras import layers
from keras import ops

from keras_dim import distribution
from keras_dim.layers import critic_projection
from keras_dim.layers import initializers
from keras_dim.layers import norm
from keras_dim.mutual_information import masks
from keras_dim.mutual_information.scores import DotProductScores
from keras_dim.mutual_information.scores import Pairs


@keras.saving.register_keras_serializable(package="keras_dim")
class DotProductCritic(layers.Layer):
    """Encode-and-dot: inner products of projected summaries and parts.

    Args:
        units: int. Width of the space in which scores are taken. A summary
            that has this width already is taken as it is, as in the authors'
            code. Defaults to 2048.
        temperature: float. Scores are divided by it. Defaults to 1, the
            authors' choice.
        negatives_from: str. `"all_replicas"` or `"own_replica"`. Defaults to
            the first.
    """

    def __init__(
        self,
        units=2048,
        temperature=1.0,
        negatives_from=distribution.ALL_REPLICAS,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.units = units
        self.temperature = temperature
        self.negatives_from = negatives_from

    def build(self, summaries_shape, parts_shape):
        def projection(shape, name):
            layer = critic_projection.CriticProjection(
                self.units, dtype=self.dtype_policy, name=name
            )
            layer.build(shape)
            return layer

        self.part_projection = projection(parts_shape, "part_projection")
        self.summary_projection = None
        if tuple(summaries_shape[1:]) != (self.units,):
            self.summary_projection = projection(
                summaries_shape, "summary_projection"
            )

    def call(self, summaries, parts, training=False):
        parts = self.part_projection(parts, training=training)
        if self.summary_projection is not None:
            summaries = self.summary_projection(summaries, training=training)
        return dot_product_pairs(
            summaries, parts, self.temperature, self.negatives_from
        )

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "temperature": self.temperature,
            "negatives_from": self.negatives_from,
        }


@keras.saving.register_keras_serializable(package="keras_dim")
class GlobalDotProductCritic(layers.Layer):
    """Encode-and-dot where the parts of an image are seen as one, DIM(G).

    Two strided convolutions and two dense layers take the map to one vector,
    one dense layer takes the summary there.

    Args:
        units: int. Width of the space in which scores are taken. Defaults to
            2048.
        temperature: float. Scores are divided by it. Defaults to 1, the
            authors' choice.
        negatives_from: str. `"all_replicas"` or `"own_replica"`. Defaults to
            the first.

    Differs from the authors' code, which repeats the encoder's own layers
    from the local map on: these are the layers of their CIFAR network, for
    which both are the same.
    """

    def __init__(
        self,
        units=2048,
        temperature=1.0,
        negatives_from=distribution.ALL_REPLICAS,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.units = units
        self.temperature = temperature
        self.negatives_from = negatives_from

    def build(self, summaries_shape, parts_shape):
        dtype = self.dtype_policy
        num_channels = parts_shape[-1]
        stack = [keras.Input(parts_shape[1:])]
        for filters in (num_channels, 2 * num_channels):
            convolution = layers.Conv2D(
                filters,
                4,
                2,
                padding="same",
                use_bias=False,
                kernel_initializer=initializers.torch_default(),
                dtype=dtype,
            )
            stack += [
                convolution,
                norm.batch_normalization(dtype=dtype),
                layers.ReLU(dtype=dtype),
            ]
        stack += [
            layers.Flatten(dtype=dtype),
            layers.Dense(
                1024,
                use_bias=False,
                kernel_initializer=initializers.torch_default(),
                dtype=dtype,
            ),
            norm.batch_normalization(dtype=dtype),
            layers.ReLU(dtype=dtype),
            self._linear(1024),
        ]
        self.part_projection = keras.Sequential(stack, name="part_projection")
        self.summary_projection = self._linear(summaries_shape[-1])
        self.summary_projection.build(summaries_shape)

    def call(self, summaries, parts, training=False):
        parts = self.part_projection(parts, training=training)
        return dot_product_pairs(
            self.summary_projection(summaries),
            parts[:, None, None, :],
            self.temperature,
            self.negatives_from,
        )

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "temperature": self.temperature,
            "negatives_from": self.negatives_from,
        }

    def _linear(self, num_inputs):
        return layers.Dense(
            self.units,
            kernel_initializer=initializers.torch_default(),
            bias_initializer=initializers.torch_default_bias(num_inputs),
            dtype=self.dtype_policy,
        )


@keras.saving.register_keras_serializable(package="keras_dim")
class ConcatenateCritic(layers.Layer):
    """Concatenate-and-convolve: a small network that sees each pair whole.

    The summary is laid beside the part at every location; two layers of
    `units` with ReLU and a linear one, all of 1x1 convolutions without
    biases, give the score. For the global critic, flatten the map to one
    location.

    Args:
        units: int. Width of both hidden layers. Defaults to 512.
        num_negatives: int. How many other images every summary is paired
            with: the ones that follow it in the batch. Defaults to 1.
        negatives_from: str. `"all_replicas"`, where the last image of each is
            followed by the first of the next, or `"own_replica"`. Defaults to
            the first.

    Differs from the authors' code, which shuffles the parts of each location
    on its own and may pair an image with itself.

    Reference: [Hjelm et al., 2019](https://arxiv.org/abs/1808.06670),
    Appendix A.
    """

    def __init__(
        self,
        units=512,
        num_negatives=1,
        negatives_from=distribution.ALL_REPLICAS,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.units = units
        self.num_negatives = num_negatives
        self.negatives_from = negatives_from

    def build(self, summaries_shape, parts_shape):
        num_channels = summaries_shape[-1] + parts_shape[-1]
        self.network = keras.Sequential(
            [
                keras.Input((num_channels,)),
                *(
                    layers.Dense(
                        units,
                        activation=activation,
                        use_bias=False,
                        kernel_initializer=initializers.torch_default(),
                        dtype=self.dtype_policy,
                    )
                    for units, activation in (
                        (self.units, "relu"),
                        (self.units, "relu"),
                        (1, None),
                    )
                ),
            ],
            name="network",
        )

    def call(self, summaries, parts, training=False):
        everywhere = _flat_locations(parts)
        num_images = ops.shape(summaries)[0]
        num_candidates = 1 + self.num_negatives
        first = 0
        if self.negatives_from == distribution.ALL_REPLICAS:
            everywhere = distribution.concat_replicas(everywhere)
            first = distribution.first_row(num_images)
        # Rolled and not looked up: TensorFlow's gradient of a look-up is
        # sparse, and does not find its way back to the other replicas.
        candidates = ops.stack(
            [
                ops.roll(everywhere, -(first + step), axis=0)[:num_images]
                for step in range(num_candidates)
            ],
            axis=1,
        )
        # i: images, m: summaries, k: candidates, l: locations, c: channels
        candidates = candidates[:, None]
        summaries = _flat_locations(summaries)[:, :, None, None, :]
        shape = (
            num_images,
            ops.shape(summaries)[1],
            num_candidates,
            ops.shape(candidates)[3],
        )
        pairs = ops.concatenate(
            [
                ops.broadcast_to(summaries, (*shape, summaries.shape[-1])),
                ops.broadcast_to(candidates, (*shape, candidates.shape[-1])),
            ],
            axis=-1,
        )
        # Dense layers take the pairs as one long batch.
        scores = self.network(ops.reshape(pairs, (-1, pairs.shape[-1])))
        steps = ops.arange(num_candidates)[None, :, None]
        # In a batch that is too small the roll comes round to the image.
        is_other = (steps > 0) & (steps < ops.shape(everywhere)[0])
        return Pairs(
            ops.reshape(scores, (-1, *shape[2:])),
            ops.cast(steps == 0, "float32"),
            ops.cast(is_other, "float32"),
        )

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "num_negatives": self.num_negatives,
            "negatives_from": self.negatives_from,
        }


def dot_product_pairs(
    summaries,
    parts,
    temperature=1.0,
    negatives_from=distribution.ALL_REPLICAS,
):
    """Pairs summaries with parts by their inner products.

    Args:
        summaries: tensor `(batch, units)` or, with several to an image,
            `(batch, ..., units)`.
        parts: tensor `(batch, ..., units)`.
        temperature: float. What scores are divided by. Defaults to 1.
        negatives_from: str. Whose summaries the parts of this replica's
            images meet: those of `"all_replicas"` or of its `"own_replica"`.

    Returns:
        `Pairs`, whose anchors are the summaries, those of an image one after
        the other, and whose candidates are this replica's parts.
    """
    candidates = _flat_locations(parts)
    own = anchors = _flat_locations(summaries) / temperature
    first_row = 0
    if negatives_from == distribution.ALL_REPLICAS:
        anchors = distribution.concat_replicas(own)
        first_row = distribution.first_row(ops.shape(own)[0])
    positives = masks.same_image(anchors, candidates, first_row)
    # Several summaries of an image are anchors with the same positives.
    positives = ops.repeat(positives, anchors.shape[1], axis=0)[:, :, None]
    own, anchors = (
        ops.reshape(vectors, (-1, vectors.shape[-1]))
        for vectors in (own, anchors)
    )
    return Pairs(
        DotProductScores(anchors, candidates, own_anchors=own),
        positives,
        1.0 - positives,
    )


def _flat_locations(features):
    """Returns `(batch, locations, channels)` of a map or of vectors."""
    num_locations = 1
    for size in features.shape[1:-1]:
        num_locations *= size
    return ops.reshape(features, (-1, num_locations, features.shape[-1]))
