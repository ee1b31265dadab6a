"""Many crops of an image that agree, in vectors that fill all directions."""

import keras
from keras import ops

from keras_dim import checks
from keras_dim import views as views_lib
from keras_dim.encoders import features as encoder_features
from keras_dim.layers import heads
from keras_dim.methods import base
from keras_dim.mutual_information import coding_rate
from keras_dim.views import pipelines


@keras.saving.register_keras_serializable(package="keras_dim")
class CodingRate(base.SelfSupervisedModel):
    """The coding-rate objective on many crops of each image (EMP-SSL).

    The encoder and a head make a unit vector of each of many crops. With the
    vectors `V_k` of the crops `k` of all images, one image to a row,

        loss = -alpha mean cos(vector, mean vector of its image)
               - mean_k 0.5 logdet(I + units / (images distortion) V_k^T V_k)

    There are no negatives: the coding rate keeps the vectors of a batch apart.
    A step takes few images and many crops of each.

    Args:
        encoder: `keras.Model` from raw pixels to a dict with `"global"`.
        views: layer from images to a dict of two or more views, with its
            `names`; or None for `keras_dim.views.multi_crop` at the encoder's
            image size.
        units: int. Width of the vectors. Defaults to 1024.
        hidden_units: int, or tuple of int. Widths of the head's hidden
            layers. Defaults to `(4096, 4096)`.
        alpha: float. Weight of the similarity of crops. Defaults to 200.
        distortion: float. See `mutual_information.coding_rate`. Defaults to
            0.2.
        seed: int, or None for a random one. Seed of the default views.

    Views: those of `views`, by default `"view_1"` to `"view_20"`.

    Example:
    ```python
    model = keras_dim.CodingRate(keras_dim.encoders.resnet(image_size=32))
    model.compile(keras_dim.optimizers.get("lars", learning_rate=0.3))
    model.fit(keras_dim.data.load("cifar10", batch_size=100), epochs=10)
    ```

    Differs from the authors' code in the feature that is evaluated: there it
    is the first hidden layer of the head, here the encoder's.

    Reference: [Tong et al., 2023](https://arxiv.org/abs/2304.03977).
    """

    view_names = ("view_1", "view_2")
    why_min_images = "the coding rate keeps the images of a batch apart"

    def __init__(
        self,
        encoder,
        views=None,
        units=1024,
        hidden_units=(4096, 4096),
        alpha=200.0,
        distortion=0.2,
        seed=None,
        **kwargs,
    ):
        checks.at_least(0, alpha=alpha)
        checks.above(0, distortion=distortion)
        width = encoder_features.vector_width(encoder, "global")
        views = views or views_lib.multi_crop(
            encoder_features.image_size(encoder), seed=seed
        )
        terms = {"similarity": -alpha, "coding_rate": -1.0}
        super().__init__(encoder, views, terms, **kwargs)
        self.view_names = pipelines.names_of(views, self.view_names)
        self.units = units
        self.hidden_units = hidden_units
        self.alpha = alpha
        self.distortion = distortion
        self.seed = seed
        self.head = heads.mlp(width, hidden_units, units, batch_norm=True)
        self.built = True

    def outputs(self, views, training):
        images = ops.concatenate([views[name] for name in self.view_names])
        features = self.encoder(images, training=training)["global"]
        vectors = heads.normalized(self.head(features, training=training))
        return ops.split(vectors, len(self.view_names))

    def loss_terms(self, outputs):
        vectors = ops.stack(outputs)
        means = heads.normalized(ops.mean(vectors, axis=0))
        rates = [
            coding_rate.coding_rate(each, self.distortion) for each in outputs
        ]
        return {
            "similarity": ops.mean(ops.sum(vectors * means, axis=-1)),
            "coding_rate": sum(rates) / len(rates),
        }
