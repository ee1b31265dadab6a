"""Distillation: a student predicts the features of a trained teacher."""

import keras
from keras import ops

from keras_dim import checks
from keras_dim.encoders import backbone
from keras_dim.encoders import features as encoder_features
from keras_dim.encoders import stored_values
from keras_dim.layers import frozen
from keras_dim.layers import heads
from keras_dim.methods import base
from keras_dim.views import geometry
from keras_dim.views import pipelines
from keras_dim.views import resampling


@keras.saving.register_keras_serializable(package="keras_dim")
class Distillation(base.SelfSupervisedModel):
    """Feature regression of a frozen teacher on unlabelled images (SimReg).

    A head on the student's feature predicts the teacher's feature of the same
    view of an image. With unit vectors,

        loss = |prediction - target|^2 = 2 - 2 cos(prediction, target)

    as a mean over the images: 0 where all are equal, 2 for random vectors. The
    head is left out of the encoder that is saved.

    Args:
        encoder: `keras.Model`, the student, from raw pixels to a dict with
            `"global"`.
        views: layer from images to a dict with `"image"`, or None for weak
            augmentation: translations by up to an eighth of the smaller side,
            and horizontal flips.
        teacher: `keras.Model` from raw pixels to features, such as
            `keras_dim.pretrained("amdim_cifar10")`, or a model of
            `keras.applications` in `encoders.from_backbone`. How pixels are
            normalised is part of it, and is saved with it. It takes as many
            channels as the student; views are resized to its image size. In a
            recipe: the name of a preset, or the path of a run or a file.
        teacher_feature: str. Name of the feature to be predicted, a vector.
            Defaults to `encoders.default_feature(teacher)`.
        hidden_units: int, or None for the width of the teacher's feature.
            Width of the head's hidden layers.
        num_hidden: int. Number of the head's hidden layers; 0 for a linear
            head. Defaults to 1.
        seed: int, or None for a random one. Seed of the default views.

    Views: `"image"`.

    Example:
    ```python
    student = keras_dim.encoders.resnet(image_size=32, width=16)
    teacher = keras_dim.pretrained("amdim_cifar10")
    model = keras_dim.Distillation(student, teacher=teacher)
    model.compile(keras.optimizers.Adam(1e-3))
    model.fit(keras_dim.data.load("cifar10", batch_size=128), epochs=20)
    ```

    The teacher is copied: the model given stays as it is. The copy runs in
    inference mode, is not trained, and is part of the saved method, so that a
    run can be resumed without the teacher's file. The student's own file does
    not contain it. Differs from the paper in the views, which are translated
    instead of being cropped and resized, as images here are small, and in the
    depth of the head.

    Reference: [Navaneet et al., 2021](https://arxiv.org/abs/2201.05131).
    """

    view_names = ("image",)
    why_min_images = "batch norm makes one image's features constant"

    def __init__(
        self,
        encoder,
        views=None,
        teacher=None,
        teacher_feature=None,
        hidden_units=None,
        num_hidden=1,
        seed=None,
        **kwargs,
    ):
        width = encoder_features.vector_width(encoder, "global")
        if isinstance(teacher, frozen.FrozenNetwork):
            # Of a saved model.
            teacher = teacher.network
        if not isinstance(teacher, keras.Model):
            raise ValueError(
                "Distillation needs a teacher: pass a keras.Model from raw "
                "pixels to features as `teacher`; in a recipe, method.teacher "
                f"is a preset's name or a path. Received: {teacher!r}"
            )
        if module := backbone.application_of(teacher):
            raise ValueError(
                f"The teacher {teacher.name!r} takes pixels as "
                f"keras.applications.{module}.preprocess_input makes them, and "
                "would get raw ones: wrap it by encoders.from_backbone, built "
                "with include_top=False and without pooling"
            )
        own_range = stored_values.value_range(encoder)
        teachers_range = stored_values.value_range(teacher)
        if teachers_range != own_range:
            raise ValueError(
                "Teacher and student must take values of the same range, or "
                "both pixels of 8 bits, None. Received: "
                f"{teachers_range} and {own_range}"
            )
        name = teacher_feature or encoder_features.default_feature(teacher)
        units = encoder_features.vector_width(teacher, name)
        # What the teacher computes beside this feature is left out.
        target = encoder_features.features_of(teacher, name)[name]
        part = keras.Model(teacher.inputs[0], {name: target}, name="teacher")
        size, channels = encoder.input_shape[1:3], encoder.input_shape[-1]
        if teacher.input_shape[-1] != channels:
            raise ValueError(
                "Teacher and student must take images of as many channels. "
                f"Received: {teacher.input_shape[-1]} and {channels}"
            )
        if views is None:
            seeds = pipelines.seeds_from(seed, 2)
            move = geometry.RandomTranslation(min(size) // 8, seed=seeds[0])
            flip = geometry.RandomFlip(seed=seeds[1])
            views = pipelines.SingleView([move, flip])
        checks.integers(0, num_hidden=num_hidden)
        super().__init__(encoder, views, {"prediction_error": 1.0}, **kwargs)
        self.teacher = frozen.FrozenNetwork(part)
        self.teacher_feature = name
        self.hidden_units = hidden_units
        self.num_hidden = num_hidden
        self.seed = seed
        hidden = (units if hidden_units is None else hidden_units,) * num_hidden
        self.head = heads.mlp(width, hidden, units, batch_norm=True)
        self.built = True

    def outputs(self, views, training):
        images = views["image"]
        features = self.encoder(images, training=training)["global"]
        predictions = self.head(features, training=training)
        size = self.teacher.network.input_shape[1:3]
        if None not in size and size != images.shape[1:3]:
            images = _resized(images, size)
        return predictions, self.teacher(images)[self.teacher_feature]

    def loss_terms(self, outputs):
        predictions, targets = map(heads.normalized, outputs)
        gaps = ops.sum(ops.square(predictions - targets), axis=-1)
        return {"prediction_error": ops.mean(gaps)}


def _resized(images, size):
    """Resizes images bilinearly with antialiasing, for which XLA has no op."""
    starts = ops.zeros(ops.shape(images)[:1], "float32")
    of_axes = [
        resampling.weights(starts, starts + old, old, new, "bilinear")
        for old, new in zip(images.shape[1:3], size, strict=True)
    ]
    # Integers would be rounded to whole grey levels.
    images = ops.cast(images, "float32")
    return resampling.resample(images, *of_axes, clip=False)
