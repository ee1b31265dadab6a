"""Instance discrimination: tell an image from all others by a memory bank."""

import math

import keras
from keras import ops

from keras_dim import checks
from keras_dim import distribution
from keras_dim import views as views_lib
from keras_dim.encoders import features as encoder_features
from keras_dim.layers import heads
from keras_dim.layers import memory
from keras_dim.layers import noise_contrast
from keras_dim.layers import noise_sampler
from keras_dim.methods import base
from keras_dim.mutual_information import nce
from keras_dim.views import pipelines


@keras.saving.register_keras_serializable(package="keras_dim")
class InstanceDiscrimination(base.SelfSupervisedModel):
    """Non-parametric instance discrimination with a memory bank.

    The encoder and a linear head make a unit vector `f` of one view of each
    image. A bank holds a vector of each image of the data set, from the last
    time that it was seen. The full softmax (`num_noise=None`) tells the image
    from all others,

        loss = -InfoNCE(bank_i . f / temperature)

    Otherwise, noise-contrastive estimation tells it from `num_noise` random
    rows of the bank; see `layers.NoiseContrast`. After a step, the image's row
    becomes `bank_momentum * row + (1 - bank_momentum) * f`, normalised.

    Args:
        encoder: `keras.Model` from raw pixels to a dict with `"global"`.
        num_images: int. Number of images in the data set. `fit` refuses
            arrays of another number: rows that are never seen would stay
            random negatives. Each batch has to have an `"index"`, the number
            of each image in the data set, as from `keras_dim.data.load`.
        views: layer from images to a dict with `"image"`, or None for
            `keras_dim.views.instance_discrimination` at the encoder's image
            size.
        units: int. Width of the vectors. Defaults to 128.
        temperature: float. Scores are divided by it. Defaults to 0.07; 0.1 on
            CIFAR-10.
        num_noise: int, or None for the full softmax, as the authors train on
            CIFAR-10. Number of random rows. Defaults to 4096.
        noise: list of floats, one for each row of the bank, or None for
            equally likely ones. Frequencies with which rows are drawn; see
            `layers.NoiseSampler`. Needs `num_noise`.
        normalizer: str or float. See `layers.NoiseContrast`.
        bank_momentum: float. Weight of a row's past. Defaults to 0.5, that of
            the authors' code.
        proximal: float. Weight of the squared distance of `f` to the image's
            row. Defaults to 0, as in the authors' code. With the paper's
            proximal term, `bank_momentum` is 0.
        seed: int, or None for a random one. Seed of the views, the bank and
            the noise.

    Views: `"image"`.

    Example:
    ```python
    model = keras_dim.InstanceDiscrimination(
        keras_dim.encoders.resnet(32), 50_000, temperature=0.1, num_noise=None
    )
    model.compile(keras_dim.optimizers.get("sgd", learning_rate=0.03))
    model.fit(keras_dim.data.load("cifar10", batch_size=128), epochs=200)
    ```

    Noise may draw the image itself, as in the authors' code. `evaluate` is for
    the images of the bank alone: the index of another data set would name
    other images' rows.

    Reference: [Wu et al., 2018](https://arxiv.org/abs/1805.01978).
    """

    view_names = ("image",)
    min_images = 1

    def __init__(
        self,
        encoder,
        num_images,
        views=None,
        units=128,
        temperature=0.07,
        num_noise=4096,
        noise=None,
        normalizer="first_batch",
        bank_momentum=0.5,
        proximal=0.0,
        seed=None,
        **kwargs,
    ):
        checks.integers(1, **checks.given(num_noise=num_noise))
        if noise is not None and num_noise is None:
            raise ValueError(
                "The full softmax draws no noise: leave `noise` out, or set "
                "`num_noise`. Received: num_noise=None"
            )
        checks.above(0, temperature=temperature)
        checks.at_least(0, proximal=proximal)
        width = encoder_features.vector_width(encoder, "global")
        views = views or views_lib.instance_discrimination(
            encoder_features.image_size(encoder), seed=seed
        )
        terms = {"contrastive_information": -1.0}
        if num_noise:
            terms = {"noise_contrastive_loss": 1.0}
        if proximal:
            terms["distance_to_bank"] = proximal
        super().__init__(encoder, views, terms, **kwargs)
        self.num_images = num_images
        self.units = units
        self.temperature = temperature
        self.num_noise = num_noise
        self.noise = noise
        self.normalizer = normalizer
        self.bank_momentum = bank_momentum
        self.proximal = proximal
        self.seed = seed
        self.head = heads.mlp(width, None, units)
        bank_seed, noise_seed = pipelines.seeds_from(seed, 2)
        self.bank = memory.MemoryBank(
            num_images, units, bank_momentum, bank_seed
        )
        if num_noise:
            self.contrast = noise_contrast.NoiseContrast(
                temperature, normalizer
            )
            self.sampler = noise_sampler.NoiseSampler(
                num_images, noise, noise_seed
            )
        self.built = True

    def ceilings(self, batch_size):
        if self.num_noise:
            return {}
        return {"contrastive_information": math.log(self.num_images)}

    def outputs(self, views, training):
        index = views["index"]
        features = self.encoder(views["image"], training=training)["global"]
        vectors = heads.normalized(self.head(features, training=training))
        if not self.num_noise:
            return vectors, index, None
        chosen, log_noise = self.sampler.draw_beside(index, self.num_noise)
        rows = self.bank.read(chosen)
        ratios = self.contrast(vectors, rows, log_noise, training=training)
        return vectors, index, ratios

    def loss_terms(self, outputs):
        vectors, index, ratios = outputs
        gap = vectors - self.bank.read(index)
        distance = ops.mean(ops.sum(ops.square(gap), axis=-1))
        terms = {"distance_to_bank": distance}
        if self.num_noise:
            losses = nce.binary_nce(ratios[:, 0], ratios[:, 1:])
            return {**terms, "noise_contrastive_loss": ops.mean(losses)}
        scores = ops.matmul(vectors, ops.transpose(self.bank.read()))
        scores = scores / self.temperature
        own = ops.take_along_axis(scores, index[:, None], axis=1)
        gaps = ops.logsumexp(scores, axis=1, keepdims=True) - own
        information = math.log(self.num_images) - ops.mean(gaps)
        return {**terms, "contrastive_information": information}

    def after_loss(self, outputs):
        vectors, index, _ = outputs
        self.bank.update(
            distribution.concat_replicas(index),
            distribution.concat_replicas(vectors),
        )
