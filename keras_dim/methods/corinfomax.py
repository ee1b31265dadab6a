"""CorInfoMax: views that agree, in features that fill all directions."""

import keras
from keras import ops

from keras_dim import checks
from keras_dim import views as views_lib
from keras_dim.encoders import features as encoder_features
from keras_dim.layers import heads
from keras_dim.layers import moving_covariance
from keras_dim.methods import base
from keras_dim.mutual_information import coding_rate
from keras_dim.views import pipelines


@keras.saving.register_keras_serializable(package="keras_dim")
class CorInfoMax(base.SelfSupervisedModel):
    """Maximises a second-order mutual information between two views.

    The encoder and a head make a unit vector of each view. Mutual information
    by second moments asks that the vectors of a view fill all directions, and
    that those of the other view predict them. With the moving covariances
    `R_1` and `R_2` of the two views,

        loss = alpha mean (z_1 - z_2)^2
             - (logdet(R_1 + epsilon I) + logdet(R_2 + epsilon I)) / units

    without negatives, teacher or predictor.

    Args:
        encoder: `keras.Model` from raw pixels to a dict with `"global"`.
        views: layer from images to a dict with `"view_1"` and `"view_2"`, or
            None for `keras_dim.views.simclr` at the encoder's image size.
        units: int. Width of the vectors. Batches should have a few times as
            many images. Defaults to 64.
        hidden_units: int, or tuple of int. Widths of the head's hidden
            layers. Defaults to `(2048, 2048)`.
        alpha: float. Weight of the distance of the views. Defaults to 250.
        decay: float. See `layers.MovingCovariance`. Defaults to 0.01.
        epsilon: float. Added to the diagonal. Defaults to 1e-6.
        seed: int, or None for a random one. Seed of the default views.

    Views: `"view_1"`, `"view_2"`.

    Example:
    ```python
    model = keras_dim.CorInfoMax(keras_dim.encoders.resnet(image_size=32))
    model.compile(keras_dim.optimizers.get("sgd", learning_rate=0.5))
    model.fit(keras_dim.data.load("cifar10", batch_size=512), epochs=100)
    ```

    Differs from the authors' code, which computes covariances in float64 with
    an epsilon of 1e-8.

    Reference: [Ozsoy et al., 2022](https://arxiv.org/abs/2209.07999).
    """

    view_names = ("view_1", "view_2")
    why_min_images = "one image has no covariance"

    def __init__(
        self,
        encoder,
        views=None,
        units=64,
        hidden_units=(2048, 2048),
        alpha=250.0,
        decay=0.01,
        epsilon=1e-6,
        seed=None,
        **kwargs,
    ):
        checks.at_least(0, alpha=alpha)
        checks.above(0, epsilon=epsilon)
        width = encoder_features.vector_width(encoder, "global")
        views = views or views_lib.simclr(
            encoder_features.image_size(encoder), seed=seed
        )
        terms = {"distance": alpha, "log_determinant": -1.0}
        super().__init__(encoder, views, terms, **kwargs)
        self.view_names = pipelines.names_of(views, self.view_names, most=2)
        self.units = units
        self.hidden_units = hidden_units
        self.alpha = alpha
        self.decay = decay
        self.epsilon = epsilon
        self.seed = seed
        self.head = heads.mlp(width, hidden_units, units, batch_norm=True)
        self.covariances = [
            moving_covariance.MovingCovariance(units, decay)
            for _ in self.view_names
        ]
        self.built = True

    def outputs(self, views, training):
        vectors = []
        for name in self.view_names:
            features = self.encoder(views[name], training=training)
            vector = self.head(features["global"], training=training)
            vectors.append(heads.normalized(vector))
        moments = [
            moving.with_batch(vector)
            for moving, vector in zip(self.covariances, vectors, strict=True)
        ]
        return vectors, moments

    def loss_terms(self, outputs):
        (one, other), moments = outputs
        identity = self.epsilon * ops.eye(self.units)
        information = [
            coding_rate.log_determinant(covariance + identity)
            for _, covariance in moments
        ]
        return {
            "distance": ops.mean(ops.square(one - other)),
            "log_determinant": sum(information) / self.units,
        }

    def after_loss(self, outputs):
        for moving, moments in zip(self.covariances, outputs[1], strict=True):
            moving.update(*moments)
