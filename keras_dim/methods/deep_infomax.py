"""Deep InfoMax: maximise information between an image's summary and parts."""

import keras

from keras_dim import checks
from keras_dim.encoders import features as encoder_features
from keras_dim.layers import bounds
from keras_dim.layers import critics
from keras_dim.layers import location_sampler
from keras_dim.layers import priors
from keras_dim.methods import base
from keras_dim.mutual_information import rankings
from keras_dim.views import pipelines

GLOBAL_PAIRINGS = ("map", "summary")


@keras.saving.register_keras_serializable(package="keras_dim")
class DeepInfoMax(base.SelfSupervisedModel):
    """Deep InfoMax, with global, local and prior objectives.

    With the summary of an image, `"global"`, and its feature map, `"local"`,

        loss = - alpha I(summary; map) - beta mean I(summary; location)
               + gamma (loss of the prior)

    The mean is over all locations of the map, and `I` is the bound on a
    critic's scores. The prior is the distribution that the summaries of all
    images shall follow. Features of the other images of the batch, on all
    replicas, serve as negatives.

    Published settings: DIM(L) `alpha=0, beta=1, gamma=0.1`, DIM(G)
    `alpha=1, beta=0, gamma=1`. A term without weight has no layers.

    Args:
        encoder: `keras.Model` from raw pixels to a dict with `"local"`, of
            shape `(batch, height, width, channels)`, and `"global"`, of shape
            `(batch, units)` or, for several summaries of an image,
            `(batch, height, width, units)`.
        views: layer from images to a dict with `"image"`, or None for the
            images as they are. See `keras_dim.views.dim`.
        alpha: float. Weight of the global information. Defaults to 0.
        beta: float. Weight of the local information. Defaults to 1.
        gamma: float. Weight of the prior. Defaults to 0.1.
        critic: str, `"dot_product"` or `"concatenate"`, or a layer:
            `layers.DotProductCritic(units=512)`, `layers.ConcatenateCritic()`.
            Each objective has a critic of its own with these arguments.
        critic_units: int, or None for the critic's own. Width of a critic that
            is given by its name.
        bound: str, one of `layers.bounds.BOUNDS`, or an object:
            `mutual_information.InfoNCE(chunk_size=64)`.
        prior: str, `"uniform"`, `"normal"` or `"variational"`, or a layer:
            `layers.AdversarialPrior(gradient_penalty=10.0)`; or None, which
            leaves `gamma` out. The first two are adversarial: a discriminator
            tells summaries from draws of the prior, and the encoder must fool
            it. A variational prior draws the summaries.
        global_pairing: str. Whether the global objective pairs the summary
            with the whole `"map"` or with the `"summary"` itself, of which a
            variational prior makes one draw. Defaults to `"map"`.
        num_local_samples: int, or None for all. Locations of each image that
            are drawn for the local objective, to save memory and time.
        seed: int, or None for a random one. Seed of all draws.

    Example:
    ```python
    model = keras_dim.DeepInfoMax(keras_dim.encoders.dim_convnet())
    model.compile(optimizer=keras.optimizers.Adam(1e-3))
    model.fit(keras_dim.data.load("cifar10", batch_size=128), epochs=10)
    features = model.predict(images)
    ```

    Differs from the authors' code in that one optimizer trains all networks
    (their gradients do not mix), scores are divided by the root of their
    width (`DotProductCritic(temperature=1.0)` does not), InfoNCE leaves out
    an image's pairs with its own other locations
    (`mutual_information.InfoNCE(own_image_score=-10.0)` does not), the
    gradient penalty (see `AdversarialPrior`), and in that locations are drawn
    without replacement.

    Reference: [Hjelm et al., 2019](https://arxiv.org/abs/1808.06670).
    """

    view_names = ("image",)

    def __init__(
        self,
        encoder,
        views=None,
        alpha=0.0,
        beta=1.0,
        gamma=0.1,
        critic="dot_product",
        critic_units=None,
        bound="info_nce",
        prior="uniform",
        global_pairing="map",
        num_local_samples=None,
        seed=None,
        **kwargs,
    ):
        checks.at_least(0, alpha=alpha, beta=beta, gamma=gamma)
        checks.one_of(GLOBAL_PAIRINGS, global_pairing=global_pairing)
        weights = {"global_information": -alpha, "local_information": -beta}
        weights = {name: weight for name, weight in weights.items() if weight}
        if not weights:
            raise ValueError("`alpha` or `beta` must be above 0. Received: 0")
        # The first two seeds are those of `views.dim` with the same seed.
        prior = priors.get(prior, pipelines.seeds_from(seed, 3)[2])
        prior = prior if gamma else None
        terms = weights | (prior.term_weights(gamma) if prior else {})
        shapes = encoder_features.feature_shapes(
            encoder, "local", "global", *(prior.features if prior else ())
        )
        super().__init__(
            encoder, views or pipelines.SingleView(), terms, **kwargs
        )
        self.alpha, self.beta, self.gamma = alpha, beta, gamma
        self.bound = bounds.get(bound)
        rankings.check_cosines(self.bound, None)
        self.critic = critics.get(critic, critic_units, self.bound)
        self.critic_units = critic_units
        self.prior = prior
        self.global_pairing = global_pairing
        self.num_local_samples = num_local_samples
        self.seed = seed
        self.sampler = location_sampler.LocationSampler(
            num_local_samples, seed=seed
        )
        self.sampler.build(shapes["local"])
        self.critics = {}
        for name in weights:
            is_global = name == "global_information"
            of_summary = is_global and global_pairing == "summary"
            config = self.critic.get_config() | {
                "whole_map": is_global and not of_summary,
                "name": f"{name}_critic",
            }
            self.critics[name] = type(self.critic).from_config(config)
            candidates = shapes["global" if of_summary else "local"]
            self.critics[name].build(shapes["global"], candidates)
        # A prior that was loaded is built already.
        if prior and not prior.built:
            prior.build(shapes)
        self.built = True

    def ceilings(self, batch_size):
        others = getattr(self.critic, "num_negatives", batch_size - 1)
        locations = self.sampler.num_outputs(self.encoder.output["local"].shape)
        return {
            name: self.bound.ceiling(
                others * (locations if name == "local_information" else 1)
            )
            for name in self.critics
        }

    def outputs(self, views, training):
        features = self.encoder(views["image"], training=training)
        summaries, prior_terms = features["global"], {}
        if self.prior:
            summaries, prior_terms = self.prior(features)
        pairs = {}
        for name, critic in self.critics.items():
            candidates = features["local"]
            if name == "local_information":
                candidates = self.sampler(candidates, training=training)
            elif self.global_pairing == "summary":
                candidates = summaries
            pairs[name] = critic(summaries, candidates, training=training)
        return pairs, prior_terms

    def loss_terms(self, outputs):
        pairs, prior_terms = outputs
        terms = {name: self.bound(*pair) for name, pair in pairs.items()}
        return terms | prior_terms
