"""Alignment and uniformity, optimised directly."""

import keras
from keras import ops

from keras_dim import checks
from keras_dim import views as views_lib
from keras_dim.encoders import features as encoder_features
from keras_dim.layers import heads
from keras_dim.methods import base
from keras_dim.mutual_information import hypersphere
from keras_dim.views import pipelines


@keras.saving.register_keras_serializable(package="keras_dim")
class AlignmentUniformity(base.SelfSupervisedModel):
    """Pulls the views of an image together, and spreads images over a sphere.

    The encoder and a linear head make a unit vector of each view. Over the
    images, and over all pairs of images,

        alignment = mean |x - y|^exponent
        uniformity = (log mean exp(-t |x_i - x_j|^2)
                      + log mean exp(-t |y_i - y_j|^2)) / 2
        loss = alpha alignment + beta uniformity

    The two views are not mixed in the uniformity. They pass the encoder in one
    batch.

    Args:
        encoder: `keras.Model` from raw pixels to a dict with `"global"`.
        views: layer from images to a dict with `"view_1"` and `"view_2"`, or
            None for `keras_dim.views.alignment_uniformity` at the encoder's
            image size.
        units: int. Width of the vectors. Defaults to 128.
        hidden_units: int, tuple of int, or None for a linear head. Widths of
            the head's hidden layers. Defaults to None.
        alpha: float. Weight of the alignment. Defaults to 1.
        beta: float. Weight of the uniformity. Defaults to 1.
        exponent: float. Of the distances. Defaults to 2.
        t: float. Of the Gaussian potential. Defaults to 2.
        seed: int, or None for a random one. Seed of the default views.

    Views: `"view_1"`, `"view_2"`.

    Example:
    ```python
    model = keras_dim.AlignmentUniformity(keras_dim.encoders.resnet(64))
    model.compile(keras_dim.optimizers.get("sgd", learning_rate=0.12))
    model.fit(keras_dim.data.load("stl10", "unlabelled"), epochs=200)
    ```

    Reference: [Wang and Isola, 2020](https://arxiv.org/abs/2005.10242).
    """

    view_names = ("view_1", "view_2")
    why_min_images = "uniformity compares images"

    def __init__(
        self,
        encoder,
        views=None,
        units=128,
        hidden_units=None,
        alpha=1.0,
        beta=1.0,
        exponent=2.0,
        t=2.0,
        seed=None,
        **kwargs,
    ):
        checks.at_least(0, alpha=alpha, beta=beta)
        checks.above(
            0, exponent=exponent, t=t, **{"alpha + beta": alpha + beta}
        )
        width = encoder_features.vector_width(encoder, "global")
        views = views or views_lib.alignment_uniformity(
            encoder_features.image_size(encoder), seed=seed
        )
        terms = {"alignment": alpha, "uniformity": beta}
        super().__init__(encoder, views, terms, **kwargs)
        self.view_names = pipelines.names_of(views, self.view_names, most=2)
        self.units = units
        self.hidden_units = hidden_units
        self.alpha = alpha
        self.beta = beta
        self.exponent = exponent
        self.t = t
        self.seed = seed
        self.head = heads.mlp(width, hidden_units, units)
        self.built = True

    def outputs(self, views, training):
        images = ops.concatenate([views[name] for name in self.view_names])
        features = self.encoder(images, training=training)["global"]
        vectors = heads.normalized(self.head(features, training=training))
        return ops.split(vectors, 2)

    def loss_terms(self, outputs):
        spread = [hypersphere.uniformity(each, self.t) for each in outputs]
        return {
            "alignment": hypersphere.alignment(*outputs, self.exponent),
            "uniformity": sum(spread) / 2,
        }
