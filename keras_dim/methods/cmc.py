"""CMC: tell an image from others by two or more kinds of its channels."""

import itertools
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

GRAPHS = ("core", "full")


@keras.saving.register_keras_serializable(package="keras_dim")
class CMC(base.SelfSupervisedModel):
    """Contrastive multiview coding with memory banks.

    An encoder has one network for each of several views of an image that show
    different things, such as luminance and chrominance. The unit vector of one
    view tells the image from random others by the bank of another view: for
    each pair of views, in both directions,

        loss = NCE(bank_j . f_i) + NCE(bank_i . f_j)

    as in `layers.NoiseContrast`, each direction with a normaliser of its own.
    The same random rows serve all directions of a step.

    Args:
        encoder: `keras.Model` from raw pixels to a dict with a vector for each
            of `features`, such as `encoders.lab_pair`, of L*a*b* or YCbCr.
        num_images: int. Number of images in the data set, as of
            `InstanceDiscrimination`. Each batch has to have an `"index"`.
        views: layer from images to a dict with `"image"`, or None for
            `keras_dim.views.cmc` at the encoder's image size.
        features: tuple of str. Two or more. Defaults to `("luminance",
            "chrominance")`.
        graph: str. `"core"` pairs the first feature with each other one,
            `"full"` all with each other. Defaults to `"core"`.
        units: int. Width of the vectors. Defaults to 128.
        temperature: float. Scores are divided by it. Defaults to 0.07.
        num_noise: int. Number of random rows. Defaults to 4096.
        softmax: bool. Whether to tell the image from the random rows by a
            softmax, InfoNCE, instead of NCE. Defaults to `False`.
        normalizer: str or float. See `layers.NoiseContrast`.
        bank_momentum: float. Weight of a row's past. Defaults to 0.5.
        seed: int, or None for a random one. Seed of the views, the banks and
            the noise.

    Views: `"image"`.

    Example:
    ```python
    encoder = keras_dim.encoders.lab_pair(image_size=32)
    model = keras_dim.CMC(encoder, num_images=50_000)
    model.compile(keras_dim.optimizers.get("sgd", learning_rate=0.03))
    model.fit(keras_dim.data.load("cifar10", batch_size=128), epochs=240)
    ```

    Differs from the authors' code in that `evaluate` changes no bank. It is for
    the images of the bank alone.

    Reference: [Tian et al., 2019](https://arxiv.org/abs/1906.05849).
    """

    view_names = ("image",)
    min_images = 1

    def __init__(
        self,
        encoder,
        num_images,
        views=None,
        features=("luminance", "chrominance"),
        graph="core",
        units=128,
        temperature=0.07,
        num_noise=4096,
        softmax=False,
        normalizer="first_batch",
        bank_momentum=0.5,
        seed=None,
        **kwargs,
    ):
        checks.one_of(GRAPHS, graph=graph)
        checks.integers(1, num_noise=num_noise)
        checks.distinct(2, features=features)
        widths = [encoder_features.vector_width(encoder, n) for n in features]
        pairs = itertools.combinations(features, 2)
        pairs = [p for p in pairs if graph == "full" or p[0] == features[0]]
        directions = [*pairs, *(pair[::-1] for pair in pairs)]
        named = {"_to_".join(pair): pair for pair in directions}
        views = views or views_lib.cmc(
            encoder_features.image_size(encoder), seed=seed
        )
        weights = dict.fromkeys(named, -1.0 if softmax else 1.0)
        super().__init__(encoder, views, weights, **kwargs)
        self.num_images = num_images
        self.features = tuple(features)
        self.graph = graph
        self.units = units
        self.temperature = temperature
        self.num_noise = num_noise
        self.softmax = softmax
        self.normalizer = normalizer
        self.bank_momentum = bank_momentum
        self.seed = seed
        self.directions = named
        self.heads = {
            name: heads.mlp(width, None, units, name=f"{name}_head")
            for name, width in zip(features, widths, strict=True)
        }
        noise_seed, *seeds = pipelines.seeds_from(seed, 1 + len(features))
        self.banks = {
            name: memory.MemoryBank(num_images, units, bank_momentum, own)
            for name, own in zip(features, seeds, strict=True)
        }
        # A softmax is the same whatever the normaliser.
        settings = temperature, 1.0 if softmax else normalizer
        self.contrasts = {
            name: noise_contrast.NoiseContrast(*settings) for name in named
        }
        self.sampler = noise_sampler.NoiseSampler(num_images, seed=noise_seed)
        self.built = True

    def ceilings(self, batch_size):
        limited = self.directions if self.softmax else ()
        return dict.fromkeys(limited, math.log1p(self.num_noise))

    def outputs(self, views, training):
        index = views["index"]
        features = self.encoder(views["image"], training=training)
        vectors = {
            name: heads.normalized(head(features[name], training=training))
            for name, head in self.heads.items()
        }
        chosen, log_noise = self.sampler.draw_beside(index, self.num_noise)
        rows = {name: bank.read(chosen) for name, bank in self.banks.items()}
        ratios = {
            term: self.contrasts[term](
                vectors[source], rows[target], log_noise, training=training
            )
            for term, (source, target) in self.directions.items()
        }
        return vectors, index, ratios

    def loss_terms(self, outputs):
        terms = {}
        for term, ratios in outputs[2].items():
            own, others = ratios[:, 0], ratios[:, 1:]
            if self.softmax:
                gaps = ops.logsumexp(ratios, axis=1) - own
                terms[term] = math.log1p(self.num_noise) - ops.mean(gaps)
            else:
                terms[term] = ops.mean(nce.binary_nce(own, others))
        return terms

    def after_loss(self, outputs):
        vectors, index, _ = outputs
        index = distribution.concat_replicas(index)
        for name, bank in self.banks.items():
            bank.update(index, distribution.concat_replicas(vectors[name]))
