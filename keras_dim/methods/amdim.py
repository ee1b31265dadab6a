"""AMDIM: maximise information between two views of an image, across scales."""

import math

import keras

from keras_dim import checks
from keras_dim import distribution
from keras_dim import views as views_lib
from keras_dim.encoders import features as encoder_features
from keras_dim.layers import location_sampler
from keras_dim.layers import mixture_features
from keras_dim.layers import pairings as pairings_lib
from keras_dim.methods import base
from keras_dim.mutual_information import bounds
from keras_dim.mutual_information import pairs as pairs_lib

PAIRINGS = (("global", "map_5"), ("global", "map_7"), ("map_5", "map_5"))


@keras.saving.register_keras_serializable(package="keras_dim")
class AMDIM(base.SelfSupervisedModel):
    """Augmented multiscale Deep InfoMax.

    Of two views of each image, the features of one predict those of the
    other, in both directions and across scales: the mean over pairings'
    targets of the InfoNCE bound on clipped scores,

        s = source . target / sqrt(units)
        loss = sum of  penalty mean(s^2) - InfoNCE(limit tanh(s / limit))

    with all targets of the other images, on all replicas, as negatives. Each
    view passes the encoder on its own, so that batch norm does not mix them.
    Where the source is a map, one location of it is drawn for each image; in
    `evaluate` it is the middle one.

    Args:
        encoder: `keras.Model` from raw pixels to a dict of named features:
            vectors `(batch, units)`, maps `(batch, height, width, channels)`.
        views: layer from images to a dict with `"view_1"` and `"view_2"`, or
            None for `keras_dim.views.amdim` at the encoder's image size.
            Batches that are such dicts already are taken as they are.
        pairings: tuple of pairs of str. Source and target of each, by the
            encoder's names. Defaults to the authors': global with the map of
            5 x 5, global with that of 7 x 7, and that of 5 x 5 with itself.
        score_limit: float or None. Limit to which scores are clipped. Defaults
            to 20.
        score_penalty: float. Weight of the mean squared score, over negatives
            and positives, before clipping. Defaults to 0.05, that of the
            authors' code; the paper says 0.04.
        bound: str or object. See `DeepInfoMax`. Defaults to `"info_nce"`.
        mixture: int, or `layers.MixtureFeatures`. Number of features that are
            computed from the global one, among which each target chooses those
            that predict it; needs InfoNCE. Defaults to None, the global one
            itself.
        use_batch_norm: bool. Whether the hidden layer of the projections is
            batch-normalised. Defaults to `False`.
        negatives_from: str. See `layers.DotProductCritic`.
        seed: int, or None for a random one. Seed of the locations drawn.

    Views: `"view_1"`, `"view_2"`.

    Example:
    ```python
    model = keras_dim.AMDIM(keras_dim.encoders.amdim_resnet(image_size=32))
    model.compile(optimizer=keras.optimizers.Adam(2e-4, beta_1=0.8))
    model.fit(keras_dim.data.load("cifar10", batch_size=128), epochs=10)
    features = model.predict(images)
    ```

    Differs from the paper, as the authors' code does: scores are divided by
    the root of their width before they are penalised and clipped, and the
    penalty's weight is 0.05 where the paper says 0.04. The authors published
    no code of the mixtures, section 3.6; here the features of a mixture take
    the place of the global one wherever it is the source, by default in both 1
    to 5 and 1 to 7. See `MixtureFeatures`.

    Reference: [Bachman et al., 2019](https://arxiv.org/abs/1906.00910).
    """

    view_names = ("view_1", "view_2")

    def __init__(
        self,
        encoder,
        views=None,
        pairings=PAIRINGS,
        score_limit=20.0,
        score_penalty=5e-2,
        bound="info_nce",
        mixture=None,
        use_batch_norm=False,
        negatives_from=distribution.ALL_REPLICAS,
        seed=None,
        **kwargs,
    ):
        shapes = encoder_features.feature_shapes(encoder, "global")
        pairings = pairings_lib.checked(pairings, shapes)
        checks.above(0, **checks.given(score_limit=score_limit))
        checks.at_least(0, score_penalty=score_penalty)
        checks.one_of(
            distribution.NEGATIVES_FROM, negatives_from=negatives_from
        )
        weights = {_term(*pairing): -1.0 for pairing in pairings}
        if score_penalty:
            weights["score_penalty"] = score_penalty
        views = views or views_lib.amdim(encoder.input.shape[1], seed=seed)
        super().__init__(encoder, views, weights, **kwargs)
        self.pairings = pairings
        self.score_limit = score_limit
        self.score_penalty = score_penalty
        self.bound = bounds.get(bound)
        self.mixture = mixture_features.get(mixture)
        self.use_batch_norm = use_batch_norm
        self.negatives_from = negatives_from
        self.seed = seed
        self.sampler = location_sampler.LocationSampler(1, "middle", seed)
        self.projections = pairings_lib.projections(
            pairings, shapes, use_batch_norm
        )
        if self.mixture:
            self.mixture.check_bound(self.bound)
            # A mixture that was loaded is built already.
            if not self.mixture.built:
                self.mixture.build(shapes["global"])
        self.built = True

    def ceilings(self, batch_size):
        return {
            _term(source, target): self.bound.ceiling(
                (batch_size - 1)
                * math.prod(self.encoder.output[target].shape[1:-1])
            )
            for source, target in self.pairings
        }

    def outputs(self, views, training):
        one, other = (
            self._features(views[name], training) for name in self.view_names
        )
        return {
            _term(source, target): [
                self._pairs(one, other, source, target, training),
                self._pairs(other, one, source, target, training),
            ]
            for source, target in self.pairings
        }

    def loss_terms(self, outputs):
        terms = {"score_penalty": 0.0}
        for source, target in self.pairings:
            directions = outputs[_term(source, target)]
            terms[_term(source, target)] = (
                sum(self._information(pairs, source) for pairs in directions)
                / 2
            )
            terms["score_penalty"] += (
                sum(pairs.scores.mean_square() for pairs in directions) / 2
            )
        return terms

    def assignments(self, images, target="map_7"):
        """Returns the features of the mixture that each location chooses.

        Args:
            images: tensor `(batch, height, width, channels)`, or a batch of
                views. Two or more: the others are the negatives.
            target: str. Name of the map. Defaults to `"map_7"`.

        Returns:
            Float tensor `(batch, height, width, num_mixtures)` of
            probabilities.
        """
        if not self.mixture:
            raise ValueError(
                "A model without a mixture has no assignments: set `mixture`. "
                "Received: mixture=None"
            )
        views = self.views_of(images, training=False)
        one, other = (
            self._features(views[name], False) for name in self.view_names
        )
        pairs = self._pairs(one, other, "global", target, False)
        values = self.bound.values(*pairs)
        return self.mixture.assignments(values, other[target].shape[1:3])

    def _features(self, images, training):
        """Returns the features of a view, all as wide as the global one."""
        features = self.encoder(images, training=training)
        projected = {
            name: projection(features[name], training=training)
            for name, projection in self.projections.items()
        }
        return features | projected

    def _pairs(self, one, other, source, target, training):
        sources = one[source]
        if source in self.projections:
            sources = self.sampler(sources, training=training)
        elif self.mixture and source == "global":
            sources = self.mixture(sources)
        pairs = pairs_lib.dot_product_pairs(
            sources,
            other[target],
            math.sqrt(other[target].shape[-1]),
            self.negatives_from,
        )
        chunk_size = getattr(self.bound, "chunk_size", None)
        return pairs.clipped(self.score_limit, chunk_size)

    def _information(self, pairs, source):
        if not self.mixture or source != "global":
            return self.bound(*pairs)
        values = self.bound.values(*pairs)
        return keras.ops.mean(self.mixture.combine(values))


def _term(source, target):
    return f"{source}_to_{target}"
