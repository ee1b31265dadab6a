"""The base class of callbacks that look at an encoder in training."""

import keras

from keras_dim import batches
from keras_dim.evaluation import features as features_lib


class EncoderCallback(keras.callbacks.Callback):
    """Extracts features of a model in training; abstract.

    The features are those of `model.encoder`, or of the model itself where it
    has none. A subclass sets its labelled images, `train` and `test`, first,
    or overrides `check`. They are checked at once and, as the encoder's image
    shape is known then, before the first epoch.
    """

    num_classes: int | None = None

    def __init__(self, feature, batch_size):
        super().__init__()
        self.feature = feature
        self.batch_size = batch_size
        self.check(image_shape=None)

    def check(self, image_shape):
        """Raises a `ValueError` for images or labels that cannot be used."""
        for part in ("train", "test"):
            batches.check_labelled(
                getattr(self, part),
                image_shape,
                self._who(part),
                self.num_classes,
            )

    def on_train_begin(self, logs=None):
        encoder = getattr(self.model, "encoder", self.model)
        self._features = features_lib.feature_names(self.feature, encoder)
        # Kept from epoch to epoch: a new one would be traced anew.
        self._encoder = features_lib.feature_model(encoder, self._features)
        self.check(features_lib.input_shape(encoder))

    def extract(self, images):
        """Returns the features and labels of images, as they are now."""
        return features_lib.extract(
            self._encoder, images, self._features, self.batch_size
        )

    def labels(self, columns, part):
        """Returns the labels of `"train"` or `"test"` as numbers."""
        return batches.labels_of(
            columns, self._who(part), self.num_classes, allow_unlabelled=True
        )

    def _who(self, part):
        return f"`{part}` of {type(self).__name__}"
