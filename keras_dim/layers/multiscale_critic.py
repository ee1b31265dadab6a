"""The critic of AMDIM: features of one view against those of the other."""

import math

from keras import layers

from keras_dim import checks
from keras_dim import distribution
from keras_dim.layers import location_sampler
from keras_dim.layers import projection
from keras_dim.mutual_information import pairs as pairs_lib


class MultiscaleCritic(layers.Layer):
    """Scores pairs of features across scales: inner products, clipped softly.

    Maps are projected to the width of the global feature. Where the source is
    a map, one location of it is drawn for each image, in inference the middle
    one. With a mixture, its features take the place of the global source.

    A method builds it in `__init__`, from its own arguments, which is why it
    has no config.

    Args:
        shapes: dict. Shapes of the encoder's features by name.
        pairings: tuple of pairs of str. Source and target of each.
        score_limit: float or None. Limit to which scores are clipped.
        mixture: `MixtureFeatures` or None.
        use_batch_norm: bool. Whether the hidden layer of the projections is
            batch-normalised.
        negatives_from: str. See `DotProductCritic`.
        chunk_size: int, or None where scores fit into memory at once. They
            are computed then, once for the bound and for a penalty.
        seed: int or None. Seed of the locations drawn.

    Raises:
        ValueError: for no pairing, for a feature that is not there, and for
            vectors that are not as wide as the global one.
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
        checks.one_of(
            distribution.NEGATIVES_FROM, negatives_from=negatives_from
        )
        _check_pairings(pairings, shapes)
        self.score_limit = score_limit
        self.negatives_from = negatives_from
        self.chunk_size = chunk_size
        self.mixture = mixture
        self.scale = math.sqrt(shapes["global"][-1])
        self.sampler = location_sampler.LocationSampler(1, "middle", seed)
        self.projections = {}
        for name in sorted({name for pairing in pairings for name in pairing}):
            if len(shapes[name]) == 4:
                self.projections[name] = projection.Projection(
                    shapes["global"][-1],
                    output_norm="batch",
                    hidden_norm=use_batch_norm,
                    zero_start=True,
                    dtype=self.dtype_policy,
                    name=f"{name}_projection",
                )
                self.projections[name].build(shapes[name])
        # A mixture that was loaded is built already.
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
        """Returns the `Pairs` of a source and a target.

        Args:
            one, other: dicts of projected features, of the source's view and
                of the target's.
            source, target: str. Names of features.
            training: bool. Defaults to `False`.
        """
        anchors = one[source]
        if source in self.projections:
            anchors = self.sampler(anchors, training=training)
        elif self.mixture and source == "global":
            anchors = self.mixture(anchors)
        scored = pairs_lib.dot_product_pairs(
            anchors, other[target], self.scale, self.negatives_from
        )
        return scored.clipped(self.score_limit, self.chunk_size)


def _check_pairings(pairings, shapes):
    if not pairings:
        raise ValueError("`pairings` must name one or more. Received none")
    units = shapes["global"][-1]
    for pairing in pairings:
        if len(pairing) != 2 or not set(pairing) <= set(shapes):
            raise ValueError(
                "Each of `pairings` names two features of the encoder, which "
                f"has {sorted(shapes)}. Received: {pairing}"
            )
        for name in pairing:
            if len(shapes[name]) == 2 and shapes[name][-1] != units:
                raise ValueError(
                    f"Vectors must be as wide as the global one, {units}. "
                    f"Received: {name!r} with {shapes[name][-1]} units"
                )
