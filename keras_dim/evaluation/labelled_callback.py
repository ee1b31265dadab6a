"""Base of callbacks that score labelled images."""

from typing import Any

import keras

from keras_dim import batches
from keras_dim.evaluation import features as features_lib


class LabelledCallback(keras.callbacks.Callback):
    """Checks labelled images and opens the features of a model in training.

    An interface of `ProbeCallback` and `OnlineProbe`. The features are those
    of `model.encoder`, or of the model itself where it has none.

    Args:
        train, test: labelled images: a pair of arrays `(images, labels)`, a
            dict of arrays with `"image"` and `"label"`, or a data set of
            batches of either.
        feature: str, sequence of str or `None`. Which of the encoder's
            features; `None` for `encoders.default_feature(encoder)`.
        batch_size: int. Most images per call of the encoder.
        num_classes: int or `None`. Labels must be below it.

    Raises:
        ValueError: at once for images or labels that `keras_dim.batches`
            refuses; before the first epoch for a feature that the encoder
            does not have, and for images of another size than the encoder's.
    """

    def __init__(self, train, test, feature, batch_size, num_classes=None):
        super().__init__()
        self.train = train
        self.test = test
        self.feature = feature
        self.batch_size = batch_size
        self.num_classes = num_classes
        self._check(image_shape=None)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        encoder = getattr(self.model, "encoder", self.model)
        self._features = features_lib.feature_names(self.feature, encoder)
        # Kept from epoch to epoch: a new one would be traced anew.
        self._encoder = features_lib.feature_model(encoder, self._features)
        self._check(features_lib.input_shape(encoder))

    def _extract(self, part):
        """Returns the features and labels of `"train"` or `"test"`."""
        found = features_lib.extract(
            self._encoder, getattr(self, part), self._features, self.batch_size
        )
        return {**found, "label": self._labels(found, part)}

    def _labels(self, columns, part):
        return batches.labels_of(
            columns, self._who(part), self.num_classes, allow_unlabelled=True
        )

    def _check(self, image_shape):
        for part in ("train", "test"):
            batches.check_labelled(
                getattr(self, part),
                image_shape,
                self._who(part),
                self.num_classes,
            )

    def _who(self, part):
        return f"`{part}` of {type(self).__name__}"
