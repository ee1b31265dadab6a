"""BYOL: predict a slow teacher's output for another view, without negatives."""

import itertools

import keras
from keras import ops

from keras_dim import views as views_lib
from keras_dim.encoders import features as encoder_features
from keras_dim.layers import heads
from keras_dim.layers import teacher
from keras_dim.methods import base
from keras_dim.views import pipelines


@keras.saving.register_keras_serializable(package="keras_dim")
class BYOL(base.SelfSupervisedModel):
    """Bootstrap your own latent.

    The encoder, a projector and a predictor make a prediction of each view; a
    teacher that follows encoder and projector makes the target of the other
    view. With unit vectors,

        loss = |prediction_1 - target_2|^2 + |prediction_2 - target_1|^2

    as a mean over the images: about 4 for random vectors, 0 where predictions
    equal their targets. Each view passes the networks on its own, so that batch
    norm does not mix them. Where `views` has more than two views, the loss is
    twice the mean over all pairs of a prediction and another view's target.

    Args:
        encoder: `keras.Model` from raw pixels to a dict with `"global"`.
        views: layer from images to a dict of two or more views, such as
            `views.TwoViews` or `views.MultiCrop`, with its `names`; or None
            for `keras_dim.views.byol` at the encoder's image size.
        units: int. Width of predictions and targets. Defaults to 256.
        hidden_units: int. Width of the hidden layers of projector and
            predictor. Defaults to 4096.
        momentum: float. Of the teacher at the beginning. Defaults to 0.996.
        num_steps: int, or None for a constant momentum. Number of updates in
            which the momentum rises to 1, those of the whole training.
        seed: int, or None for a random one. Seed of the default views.

    Views: `"view_1"`, `"view_2"`, or the names of `views`.

    Example:
    ```python
    encoder = keras_dim.encoders.dim_resnet(image_size=32)
    model = keras_dim.BYOL(encoder, momentum=0.99)
    model.compile(keras_dim.optimizers.get("lars", learning_rate=1.0))
    model.fit(keras_dim.data.load("cifar10", batch_size=256), epochs=100)
    ```

    Differs from the authors' code in that hidden layers have no bias before
    their batch norm, which would take it away, and in that the teacher moves
    at the start of the next step, which makes no difference.

    Reference: [Grill et al., 2020](https://arxiv.org/abs/2006.07733).
    """

    view_names = ("view_1", "view_2")
    why_min_images = "batch norm makes one image's features constant"

    def __init__(
        self,
        encoder,
        views=None,
        units=256,
        hidden_units=4096,
        momentum=0.996,
        num_steps=None,
        seed=None,
        **kwargs,
    ):
        width = encoder_features.vector_width(encoder, "global")
        views = views or views_lib.byol(
            encoder_features.image_size(encoder), seed=seed
        )
        super().__init__(encoder, views, {"prediction_error": 1.0}, **kwargs)
        self.view_names = pipelines.names_of(views, self.view_names)
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
        predictions, targets = outputs
        errors = []
        for one, other in itertools.permutations(range(len(targets)), 2):
            gap = heads.normalized(predictions[one]) - heads.normalized(
                targets[other]
            )
            errors.append(ops.mean(ops.sum(ops.square(gap), axis=-1)))
        # The paper's sum over both directions, for any number of views.
        return {"prediction_error": 2.0 * sum(errors) / len(errors)}
