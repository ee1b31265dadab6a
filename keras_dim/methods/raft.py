"""RAFT: views agree, and move away from a slow teacher. Experimental."""

import math

import keras
from keras import ops

from keras_dim import checks
from keras_dim import views as views_lib
from keras_dim.encoders import features as encoder_features
from keras_dim.layers import heads
from keras_dim.layers import teacher
from keras_dim.methods import base
from keras_dim.views import pipelines


@keras.saving.register_keras_serializable(package="keras_dim")
class RAFT(base.SelfSupervisedModel):
    """Run away from your teacher. Experimental.

    The networks are those of `BYOL`. With the predictions of two views, and the
    teacher's outputs for the same views, all as unit vectors,

        loss = alpha |prediction_1 - prediction_2|^2
             - beta (|prediction_1 - teacher_1|^2
                     + |prediction_2 - teacher_2|^2) / 2

    as means over the images. The first term aligns the views of an image, the
    second drives the encoder away from its own past. The paper states that the
    second term, with the predictor, keeps the encoder from collapsing. With a
    negative `beta` this is the authors' BYOL', which follows the teacher.

    Args:
        encoder: `keras.Model` from raw pixels to a dict with `"global"`.
        views: layer from images to a dict with `"view_1"` and `"view_2"`, or
            None for `keras_dim.views.byol` at the encoder's image size.
        alpha: float, 0 or more. Weight of the alignment of the views. Defaults
            to 1.
        beta: float. Weight of the distance to the teacher. Defaults to 1.
            `alpha` and `beta` must not both be 0.
        units: int. Width of predictions and targets. Defaults to 256.
        hidden_units: int. Width of the hidden layers of projector and
            predictor. Defaults to 4096.
        momentum: float. Of the teacher at the beginning. Defaults to 0.996.
        num_steps: int, or None for a constant momentum. See `BYOL`.
        seed: int, or None for a random one. Seed of the default views.

    Views: `"view_1"`, `"view_2"`.

    Example:
    ```python
    model = keras_dim.RAFT(keras_dim.encoders.resnet(image_size=32))
    model.compile(keras_dim.optimizers.get("sgd", learning_rate=0.03))
    model.fit(keras_dim.data.load("cifar10", batch_size=256), epochs=100)
    ```

    Differs from the public code in that squares are summed over the units, as
    in `BYOL`, instead of averaged.

    Reference: [Shi et al., 2020](https://arxiv.org/abs/2011.10944).
    """

    view_names = ("view_1", "view_2")
    why_min_images = "batch norm makes one image's features constant"

    def __init__(
        self,
        encoder,
        views=None,
        alpha=1.0,
        beta=1.0,
        units=256,
        hidden_units=4096,
        momentum=0.996,
        num_steps=None,
        seed=None,
        **kwargs,
    ):
        checks.at_least(0, alpha=alpha)
        checks.at_least(-math.inf, beta=beta)
        if not (alpha or beta):
            raise ValueError("`alpha` or `beta` must not be 0. Received: 0, 0")
        width = encoder_features.vector_width(encoder, "global")
        views = views or views_lib.byol(
            encoder_features.image_size(encoder), seed=seed
        )
        terms = {"alignment": alpha, "distance_to_teacher": -beta}
        super().__init__(encoder, views, terms, **kwargs)
        self.view_names = pipelines.names_of(views, self.view_names, most=2)
        self.alpha = alpha
        self.beta = beta
        self.units = units
        self.hidden_units = hidden_units
        self.momentum = momentum
        self.num_steps = num_steps
        self.seed = seed
        head = {"batch_norm": True, "output_bias": False}
        self.projector = heads.mlp(
            width, hidden_units, units, name="projector", **head
        )
        self.predictor = heads.mlp(
            units, hidden_units, units, name="predictor", **head
        )
        self.teacher = teacher.Teacher(
            [encoder, self.projector], momentum, num_steps, fresh_start=True
        )
        self.built = True

    def before_step(self):
        self.teacher.follow(self.steps_per_update)

    def outputs(self, views, training):
        predictions, targets = [], []
        for name in self.view_names:
            features = self.encoder(views[name], training=training)
            projection = self.projector(features["global"], training=training)
            predictions.append(self.predictor(projection, training=training))
            targets.append(self.teacher(views[name], training=training))
        return predictions, targets

    def loss_terms(self, outputs):
        (one, other), targets = outputs
        apart = [_distance(one, targets[0]), _distance(other, targets[1])]
        return {
            "alignment": _distance(one, other),
            "distance_to_teacher": sum(apart) / 2,
        }


def _distance(vectors, others):
    """Returns the mean squared distance of vectors made one unit long."""
    gap = heads.normalized(vectors) - heads.normalized(others)
    return ops.mean(ops.sum(ops.square(gap), axis=-1))
