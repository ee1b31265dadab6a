"""The base class of all self-supervised methods."""

import keras

from keras_dim import batches
from keras_dim import distribution
from keras_dim.encoders import features as encoder_features
from keras_dim.encoders import stored_values
from keras_dim.methods import replicated
from keras_dim.views.on_range import on_range


class SelfSupervisedModel(replicated.ReplicatedModel):
    """Trains an encoder from unlabelled images.

    A subclass defines `outputs`, which computes tensors from the views of a
    batch, and `loss_terms`, which computes scalars from these. The loss is the
    sum of the scalars, weighted by `term_weights`; the weight of a term to be
    maximised is negative. The trained product is `self.encoder`, a functional
    `keras.Model`.

    `fit` takes images, pairs of images and labels, which are ignored, dicts
    with `"image"`, or dicts with the method's views.

    Every argument of a subclass's `__init__` is an attribute of the same name,
    from which `get_config` reads it. All layers are built in `__init__`, so
    that a saved model has every weight to be loaded into.
    """

    def __init__(self, encoder, views, term_weights, **kwargs):
        super().__init__(**kwargs)
        self.encoder = encoder
        self.views = on_range(views, stored_values.value_range(encoder))
        self.term_weights = term_weights
        means = {name: keras.metrics.Mean(name=name) for name in term_weights}
        self._term_means = means

    def outputs(self, views, training):
        """Returns the tensors that `loss_terms` takes.

        Args:
            views: dict of `view_names` to tensors `(batch, height, width,
                channels)`; with `"index"` where the method has `num_images`.
            training: bool.
        """
        raise NotImplementedError

    def loss_terms(self, outputs):
        """Returns a dict with a scalar for each name in `term_weights`."""
        raise NotImplementedError

    def before_step(self):
        """Updates teachers and moving averages, before each training step."""
        return  # AutoGraph warns of functions without a statement.

    def after_loss(self, outputs):
        """Stores features for later batches: queues, memory banks."""
        return

    def ceilings(self, batch_size):
        """Returns a dict of the greatest values of terms that have one."""
        return {}

    def call(self, inputs, training=False):
        if training:
            self.before_step()
        return self.outputs(self.views_of(inputs, training), training)

    def views_of(self, inputs, training):
        """Returns the views of a batch, which may be a dict of them already."""
        views = inputs
        is_views = isinstance(inputs, dict) and "image" not in inputs
        if not (is_views and set(self.view_names) <= set(inputs)):
            views = self.views(batches.images_of(inputs), training=training)
        encoder_features.check_views(self.encoder, views, self.view_names)
        if self.num_images:
            return {**views, "index": batches.index_of(inputs)}
        return views

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        terms = self.loss_terms(y_pred)
        for name, mean in self._term_means.items():
            mean.update_state(terms[name])
        if training:
            self.after_loss(y_pred)
        weighted = [w * terms[name] for name, w in self.term_weights.items()]
        extra = [keras.ops.cast(loss, "float32") for loss in self.losses]
        return distribution.scale_loss(sum(weighted + extra))

    def predict(self, x, **kwargs):
        """Returns the encoder's default feature, shape `(images, units)`.

        Args:
            x: array or data set of the images that `fit` takes, in order.
            **kwargs: handed on to `keras.Model.predict`.
        """
        shape = self.encoder.input_shape[1:]
        how = {"values": stored_values.value_range(self.encoder)}
        x = batches.checked(x, shape, who="`predict`", in_order=True, **how)
        batches.refuse_sequence(x, "`predict`")
        with distribution.value_errors():
            features = self.encoder.predict(batches.images_alone(x), **kwargs)
        return features[encoder_features.default_feature(self.encoder)]
