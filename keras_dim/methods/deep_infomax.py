"""Deep InfoMax: maximise information between a summary and its parts."""

import math

import keras
from keras import ops
from keras import random

from keras_dim import distribution
from keras_dim.layers import adversarial_prior
from keras_dim.layers import critics
from keras_dim.methods import base
from keras_dim.mutual_information import bounds
from keras_dim.mutual_information import divergences
from keras_dim.views import single_view
from keras_dim.views.seeds import seeds_from

CRITICS = ("dot_product", "concatenate")
VARIATIONAL = "variational"
PRIORS = (*adversarial_prior.PRIORS, VARIATIONAL, None)


@keras.saving.register_keras_serializable(package="keras_dim")
class DeepInfoMax(base.SelfSupervisedModel):
    """Deep InfoMax, with global, local and prior objectives.

    Maximises `alpha I(summary; map) + beta I(summary; location)`, the second
    a mean over all locations of a feature map, while the summaries of all
    images are made to follow a prior with weight `gamma`. Features of the
    other images of the batch, on all replicas, serve as negatives.

    Published settings: DIM(L) `alpha=0, beta=1, gamma=0.1`, DIM(G)
    `alpha=1, beta=0, gamma=1`. What has no weight is not built.

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
        bound: str. One of `bounds.BOUNDS`. Defaults to `"info_nce"`.
        prior: str or None. `"uniform"` or `"normal"` by a discriminator that
            the encoder must fool; `"variational"`, where the summary is drawn
            from the normal distribution of mean `"global"` and log variance
            `"global_log_variance"`, whose divergence from N(0, I) is the
            term; or None. Defaults to `"uniform"`.
        critic: str. `"dot_product"` or `"concatenate"`. Defaults to
            `"dot_product"`.
        critic_units: int, or None for the authors' 2048, with
            `"concatenate"` 512. Width of the critics.
        temperature: float. Scores of the dot-product critic are divided by
            it. Defaults to 1, the authors' choice; the square root of
            `critic_units` learns much faster at first.
        num_negatives: int. Negatives of each pair of the concatenating
            critic. Defaults to 1.
        num_local_samples: int, or None for all. How many locations of each
            image are drawn for the local objective, to save memory and time.
        gradient_penalty: float. Weight of the penalty on the discriminator's
            gradient. Defaults to 1.
        own_image_score: float or None. See `bounds.info_nce`.
        chunk_size: int or None. See `bounds.info_nce`.
        negatives_from: str. Under a strategy, whose images are negatives:
            those of `"all_replicas"`, as on one device, or, with less to
            exchange and fewer of them, those of each one's `"own_replica"`.
            Defaults to the first.
        seed: int, or None for a random one. Seed of all that is drawn.

    Example:
    ```python
    model = keras_dim.DeepInfoMax(keras_dim.encoders.dim_convnet())
    model.compile(optimizer=keras.optimizers.Adam(1e-4, beta_1=0.5))
    model.fit(keras_dim.data.load("cifar10", batch_size=64), epochs=10)
    features = model.predict(images)
    ```

    Differs from the authors' code in that one optimizer trains all networks
    (their gradients do not mix), in the gradient penalty (see
    `AdversarialPrior`), and in that locations are drawn without replacement.

    Reference: [Hjelm et al., 2019](https://arxiv.org/abs/1808.06670).
    """

    def __init__(
        self,
        encoder,
        views=None,
        alpha=0.0,
        beta=1.0,
        gamma=0.1,
        bound="info_nce",
        prior="uniform",
        critic="dot_product",
        critic_units=None,
        temperature=1.0,
        num_negatives=1,
        num_local_samples=None,
        gradient_penalty=1.0,
        own_image_score=None,
        chunk_size=None,
        negatives_from=distribution.ALL_REPLICAS,
        seed=None,
        **kwargs,
    ):
        _check(encoder, alpha, beta, gamma, prior, critic, num_local_samples)
        _check_sizes(critic_units, temperature, num_negatives, gradient_penalty)
        base.check_negatives_from(negatives_from)
        if chunk_size is not None and critic != "dot_product":
            raise ValueError(
                "`chunk_size` is for scores that are inner products, those of "
                f"critic='dot_product'. Received: chunk_size={chunk_size} with "
                f"critic={critic!r}"
            )
        has_prior = bool(gamma) and prior is not None
        is_variational = has_prior and prior == VARIATIONAL
        is_adversarial = has_prior and not is_variational
        super().__init__(
            loss_term_names=(
                *(["global_information"] if alpha else []),
                *(["local_information"] if beta else []),
                *(adversarial_prior.TERMS if is_adversarial else []),
                *(["prior_divergence"] if is_variational else []),
            ),
            **kwargs,
        )
        self.encoder = encoder
        self.views = single_view.SingleView() if views is None else views
        self.alpha = alpha
        self.beta = beta
        self.gamma = gamma
        self.bound = bound
        self.prior = prior
        self.critic = critic
        self.critic_units = critic_units
        self.temperature = temperature
        self.num_negatives = num_negatives
        self.num_local_samples = num_local_samples
        self.gradient_penalty = gradient_penalty
        self.own_image_score = own_image_score
        self.chunk_size = chunk_size
        self.negatives_from = negatives_from
        self.seed = seed
        self._bound = bounds.get(
            bound,
            chunk_size,
            own_image_score,
            # The concatenating critic sees the parts of all replicas.
            candidates_are_split=critic == "dot_product"
            and negatives_from == distribution.ALL_REPLICAS,
        )
        self._draws = random.SeedGenerator(seed)
        summaries = encoder.output["global"].shape
        parts = encoder.output["local"].shape
        if alpha:
            self.global_critic = self._make_critic("global_critic")
            self.global_critic.build(summaries, self._whole(parts))
        if beta:
            self.local_critic = self._make_critic("local_critic")
            self.local_critic.build(summaries, parts)
        self.adversarial_prior = None
        if is_adversarial:
            # The first two may be those of `views.dim` with the same seed.
            *_, prior_seed = seeds_from(seed, 3)
            self.adversarial_prior = adversarial_prior.AdversarialPrior(
                prior, gradient_penalty, prior_seed, name="adversarial_prior"
            )
            self.adversarial_prior.build((None, summaries[-1]))
        self._is_variational = is_variational
        self.built = True

    def call(self, inputs, training=False):
        images = self.views(base.images_of(inputs), training=training)["image"]
        base.check_batch_size(
            images,
            self.negatives_from,
            self.num_negatives if self.critic == "concatenate" else 1,
        )
        features = self.encoder(images, training=training)
        summaries, parts = features["global"], features["local"]
        outputs = {"global": summaries}
        if self._is_variational:
            log_variance = features["global_log_variance"]
            outputs["global_log_variance"] = log_variance
            summaries = self._draw_summaries(summaries, log_variance)
        if self.alpha:
            whole = ops.reshape(parts, (-1, *self._whole(parts.shape)[1:]))
            outputs["global_pairs"] = self.global_critic(
                summaries, whole, training=training
            )
        if self.beta:
            if self.num_local_samples and training:
                parts = self._draw_locations(parts)
            outputs["local_pairs"] = self.local_critic(
                summaries, parts, training=training
            )
        return outputs

    def loss_terms(self, inputs, outputs):
        terms = {}
        if self.alpha:
            terms["global_information"] = self._bound(*outputs["global_pairs"])
        if self.beta:
            terms["local_information"] = self._bound(*outputs["local_pairs"])
        if self.adversarial_prior is not None:
            summaries = outputs["global"]
            terms |= self.adversarial_prior(
                ops.reshape(summaries, (-1, summaries.shape[-1]))
            )
        if self._is_variational:
            terms["prior_divergence"] = ops.mean(
                divergences.normal_to_standard_normal(
                    outputs["global"], outputs["global_log_variance"]
                )
            )
        return terms

    def objective(self, terms):
        loss = 0.0
        if self.alpha:
            loss -= self.alpha * terms["global_information"]
        if self.beta:
            loss -= self.beta * terms["local_information"]
        if self.adversarial_prior is not None:
            loss += self.gamma * terms["prior_fooling"]
            # Seen by the discriminator alone, so they take no weight.
            loss += terms["prior_discrimination"]
            loss += terms["prior_gradient_penalty"]
        if self._is_variational:
            loss += self.gamma * terms["prior_divergence"]
        return loss

    def _make_critic(self, name):
        if self.critic == "concatenate":
            return critics.ConcatenateCritic(
                self.critic_units or 512,
                self.num_negatives,
                self.negatives_from,
                name=name,
            )
        kind = {
            "global_critic": critics.GlobalDotProductCritic,
            "local_critic": critics.DotProductCritic,
        }[name]
        return kind(
            self.critic_units or 2048,
            self.temperature,
            self.negatives_from,
            name=name,
        )

    def _whole(self, map_shape):
        """Returns the shape in which the global critic takes a map."""
        if self.critic == "dot_product":
            return map_shape
        # Concatenated with the summary, the map is one long vector.
        return (None, 1, 1, math.prod(map_shape[1:]))

    def _draw_summaries(self, mean, log_variance):
        """Draws from N(mean, variance) such that gradients reach both."""
        mean = ops.cast(mean, "float32")
        log_variance = ops.cast(log_variance, "float32")
        noise = distribution.draw_for_own_rows(
            lambda num_rows: random.normal(
                (num_rows, mean.shape[-1]), seed=self._draws
            ),
            ops.shape(mean)[0],
        )
        return mean + ops.exp(0.5 * log_variance) * noise

    def _draw_locations(self, parts):
        """Returns `num_local_samples` locations of each map, as one column."""
        num_images = ops.shape(parts)[0]
        num_locations = math.prod(parts.shape[1:3])
        lots = distribution.draw_for_own_rows(
            lambda num_rows: random.uniform(
                (num_rows, num_locations), seed=self._draws
            ),
            num_images,
        )
        chosen = ops.top_k(lots, self.num_local_samples, sorted=False)[1]
        rows = chosen + num_locations * ops.arange(num_images)[:, None]
        flat = ops.reshape(parts, (-1, parts.shape[-1]))
        return ops.take(flat, rows, axis=0)[:, :, None, :]


def _check(encoder, alpha, beta, gamma, prior, critic, num_local_samples):
    for name, value in (("alpha", alpha), ("beta", beta), ("gamma", gamma)):
        if value < 0:
            raise ValueError(
                f"`{name}` must not be negative. Received: {value}"
            )
    if not (alpha or beta):
        raise ValueError(
            "Without `alpha` and `beta` there is no information to maximise. "
            f"Received: alpha={alpha}, beta={beta}"
        )
    for name, value, known in (
        ("prior", prior, PRIORS),
        ("critic", critic, CRITICS),
    ):
        if value not in known:
            raise ValueError(
                f"Unknown {name}. Expected one of {known}. Received: {value!r}"
            )
    outputs = encoder.output if isinstance(encoder.output, dict) else {}
    needed = {"local", "global"}
    if gamma and prior == VARIATIONAL:
        needed.add("global_log_variance")
    if not needed <= set(outputs):
        raise ValueError(
            f"The encoder must return a dict with {sorted(needed)}. Received "
            f"an encoder with {sorted(outputs)}; the ones in "
            "keras_dim.encoders add 'global_log_variance' if variational=True"
        )
    num_locations = math.prod(outputs["local"].shape[1:3])
    if num_local_samples and not 1 <= num_local_samples <= num_locations:
        raise ValueError(
            f"`num_local_samples` must be from 1 to the {num_locations} "
            f"locations of the local map. Received: {num_local_samples}"
        )


def _check_sizes(critic_units, temperature, num_negatives, gradient_penalty):
    for name, value in (
        ("critic_units", critic_units),
        ("num_negatives", num_negatives),
    ):
        if value is not None and value < 1:
            raise ValueError(f"`{name}` must be 1 or more. Received: {value}")
    if not temperature > 0:
        raise ValueError(
            f"`temperature` must be above 0. Received: {temperature}"
        )
    if not gradient_penalty >= 0:
        raise ValueError(
            "`gradient_penalty` must not be negative. Received: "
            f"{gradient_penalty}"
        )
