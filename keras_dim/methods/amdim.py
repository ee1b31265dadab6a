"""AMDIM: maximise information between two views of an image, across scales."""

import itertools
import math

import keras

from keras_dim import checks
from keras_dim import distribution
from keras_dim import views as views_lib
from keras_dim.encoders import features as encoder_features
from keras_dim.layers import bounds
from keras_dim.layers import critics
from keras_dim.layers import mixture_features
from keras_dim.methods import base
from keras_dim.mutual_information import rankings
from keras_dim.views import pipelines

PAIRINGS = (("global", "map_5"), ("global", "map_7"), ("map_5", "map_5"))


@keras.saving.register_keras_serializable(package="keras_dim")
class AMDIM(base.SelfSupervisedModel):
    """Augmented multiscale Deep InfoMax.

    Each of `pairings` names a source and a target feature, often of different
    scales. The source of one view predicts the target of another view of the
    same image, by InfoNCE on softly clipped scores:

        s = source . target / sqrt(units)
        loss = sum over pairings of
            penalty mean(s^2) - InfoNCE(limit tanh(s / limit))

    each as a mean over the locations of the target and over all ordered pairs
    of views. All targets of the other images, on all replicas, are negatives.
    Each view passes the encoder on its own, so that batch norm does not mix
    them. Where the source is a map, one location of it is drawn for each image;
    in `evaluate` it is the middle one.

    Args:
        encoder: `keras.Model` from raw pixels to a dict of named features:
            vectors `(batch, units)`, maps `(batch, height, width, channels)`.
        views: layer from images to a dict of two or more views, such as
            `views.TwoViews` or `views.MultiCrop`, with its `names`; or None
            for `keras_dim.views.amdim` at the encoder's image size.
            Batches that are such dicts already are taken as they are.
        pairings: tuple of pairs of str. Source and target of each, by the
            encoder's names. Defaults to the authors': global with the map of
            5 x 5, global with that of 7 x 7, and that of 5 x 5 with itself.
        score_limit: float or None. Limit to which scores are clipped. Defaults
            to 20.
        score_penalty: float. Weight of the mean squared score, over negatives
            and positives, before clipping. Defaults to 0.05.
        bound: str or object. See `DeepInfoMax`. Defaults to `"info_nce"`.
        mixture: int, or `layers.MixtureFeatures`. Number of features that are
            computed from the global one; each target is predicted by the
            features that fit it best. Needs InfoNCE. Defaults to None: the
            global feature predicts by itself.
        use_batch_norm: bool. Whether the hidden layer of the projections is
            batch-normalised. Defaults to `False`.
        negatives_from: str. See `layers.DotProductCritic`.
        seed: int, or None for a random one. Seed of the locations drawn.

    Views: `"view_1"`, `"view_2"`, or the names of `views`.

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
    no code of the mixtures, section 3.6; here the features of a mixture replace
    the global one wherever it is the source, by default in two of the three
    pairings. See `MixtureFeatures`.

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
        checks.at_least(0, score_penalty=score_penalty)
        shapes = encoder_features.feature_shapes(encoder, "global")
        named = {"_to_".join(pairing): tuple(pairing) for pairing in pairings}
        checks.distinct(1, pairings=[tuple(pairing) for pairing in pairings])
        weights = dict.fromkeys(named, -1.0)
        if score_penalty:
            weights["score_penalty"] = score_penalty
        views = views or views_lib.amdim(
            encoder_features.image_size(encoder), seed=seed
        )
        super().__init__(encoder, views, weights, **kwargs)
        self.view_names = pipelines.names_of(views, self.view_names)
        self.pairings = tuple(named.values())
        self._pairing_of = named
        self.score_limit = score_limit
        self.score_penalty = score_penalty
        self.bound = bounds.get(bound)
        rankings.check_cosines(self.bound, None)
        self.mixture = mixture_features.get(mixture, self.bound)
        self.use_batch_norm = use_batch_norm
        self.negatives_from = negatives_from
        self.seed = seed
        self.critic = critics.MultiscaleCritic(
            shapes,
            self.pairings,
            score_limit,
            self.mixture,
            use_batch_norm,
            negatives_from,
            getattr(self.bound, "chunk_size", None),
            seed,
        )
        self.built = True

    def ceilings(self, batch_size):
        found = {}
        for term, (source, target) in self._pairing_of.items():
            locations = math.prod(self.encoder.output[target].shape[1:-1])
            found[term] = self.bound.ceiling((batch_size - 1) * locations)
            if self.mixture and source == "global":
                found[term] += self.mixture.gain
        return found

    def outputs(self, views, training):
        views = [views[name] for name in self.view_names]
        found = [self.encoder(view, training=training) for view in views]
        projected = [self.critic.project(each, training) for each in found]
        return {
            term: [
                self.critic.pairs(one, other, *pairing, training)
                for one, other in itertools.permutations(projected, 2)
            ]
            for term, pairing in self._pairing_of.items()
        }

    def loss_terms(self, outputs):
        terms = dict.fromkeys(("score_penalty", *outputs), 0.0)
        for term, ways in outputs.items():
            for pairs in ways:
                terms[term] += self._information(pairs, term) / len(ways)
                terms["score_penalty"] += pairs.scores.mean_square() / len(ways)
        return terms

    def _information(self, pairs, term):
        if self.mixture and self._pairing_of[term][0] == "global":
            values = self.bound.values(*pairs)
            return keras.ops.mean(self.mixture.combine(values))
        return self.bound(*pairs)

    def assignments(self, images, target="map_7"):
        """Returns which features of the mixture predict each location.

        Args:
            images: tensor `(batch, height, width, channels)` of two images or
                more, as the others are the negatives; or a batch of views.
            target: str. Name of a feature that is paired with the global one.
                Defaults to `"map_7"`.

        Returns:
            Probabilities `(batch, height, width, num_mixtures)` for a map,
            `(batch, num_mixtures)` for a vector.

        Raises:
            ValueError: without a mixture, and for another target.
        """
        if not self.mixture:
            raise ValueError("Only a mixture has assignments: set `mixture`")
        targets = [other for one, other in self.pairings if one == "global"]
        checks.one_of(targets, target=target)
        outputs = self.outputs(self.views_of(images, False), training=False)
        values = self.bound.values(*outputs[f"global_to_{target}"][0])
        map_size = self.encoder.output[target].shape[1:-1]
        return self.mixture.assignments(values, map_size)
