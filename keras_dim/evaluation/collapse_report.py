"""Warns in the first epoch that features have collapsed."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from absl import logging

from keras_dim import batches
from keras_dim.encoders import features as encoder_features
from keras_dim.evaluation import features as features_lib
from keras_dim.evaluation import spread

# Features that differ from image to image by less than a hundredth of their
# size are one point: bfloat16 alone rounds by up to 1/256.
POINT = 0.01
# A line has an effective rank of 1. Healthy features of a few units, too, are
# well above this.
LINE = 1.5
_LEAST_UNITS = 4


class CollapseReport(keras.callbacks.Callback):
    """Logs how much features vary, and warns where they have collapsed.

    A collapsed encoder gives all images the same features, or features on a
    line; its loss may look well all the same. At the end of each epoch three
    numbers go to the logs for each feature: `"effective_rank_<feature>"`,
    `"smallest_deviation_<feature>"` and `"mean_deviation_<feature>"`, the
    standard deviations over the images. A warning is logged at the end of the
    epoch in which a feature collapses, the first one included. Put this before
    callbacks that read the logs, such as `CSVLogger`.

    A batch norm whose moving statistics lag behind, as with momentum 0.999 in
    the first epochs, makes features look collapsed that are not. Where a
    feature has collapsed it is therefore scored again with the statistics of
    the images themselves, which changes nothing in the model; if it varies
    then, the warning names the batch norm instead.

    The features are those of `model.encoder`, or of the model itself where it
    has none.

    Args:
        images: array `(num_images, height, width, channels)` as the encoder
            takes them, a few hundred. They need no labels. Best they are held
            out, but a collapse shows on any images.
        feature: str or sequence of str. Which of the encoder's features.
            Defaults to `encoders.default_feature(encoder)`.
        batch_size: int. Most images per call of the encoder. Defaults to
            `256`.

    Attributes:
        results: list of dicts, one for each epoch and feature: `"epoch"`
            (from 0), `"feature"`, `"effective_rank"`, `"smallest_deviation"`,
            `"mean_deviation"`, `"has_collapsed"`, `"batch_norm_lags"`.

    Raises:
        ValueError: for fewer than two images, and images that
            `keras_dim.batches.check` refuses; at the beginning of training,
            for a feature that the encoder does not have and for images of
            another size than the encoder's.

    Example:
    ```python
    report = CollapseReport(held_out_images)
    model.fit(images, epochs=10, callbacks=[report])
    ```
    """

    def __init__(
        self,
        images: np.ndarray,
        feature: str | Sequence[str] | None = None,
        batch_size: int = 256,
    ):
        super().__init__()
        self.images = images
        self.feature = feature
        self.batch_size = batch_size
        self.results: list[dict[str, Any]] = []
        # The features that were warned of, until they are healthy again.
        self._warned: set[str] = set()
        self._check(image_shape=None)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        encoder = getattr(self.model, "encoder", self.model)
        self._features = features_lib.feature_names(self.feature, encoder)
        self._encoder = features_lib.feature_model(encoder, self._features)
        self._check(features_lib.input_shape(encoder))

    def _check(self, image_shape):
        batches.check(
            self.images,
            image_shape,
            min_images=2,
            who="CollapseReport",
            why="one image cannot show whether features vary",
        )

    def on_epoch_end(
        self, epoch: int, logs: dict[str, Any] | None = None
    ) -> None:
        logs = {} if logs is None else logs
        found = features_lib.extract(
            self._encoder, self.images, self._features, self.batch_size
        )
        for name in self._features:
            deviations = spread.deviations(found[name])
            numbers = {
                "effective_rank": spread.effective_rank(found[name]),
                "smallest_deviation": float(deviations.min()),
                "mean_deviation": float(deviations.mean()),
            }
            for key, value in numbers.items():
                logs[f"{key}_{name}"] = value
            reason = _collapse(found[name], numbers["effective_rank"])
            lags = reason is not None and self._varies_by_own_statistics(name)
            self.results.append(
                {
                    "epoch": epoch,
                    "feature": name,
                    **numbers,
                    "has_collapsed": reason is not None and not lags,
                    "batch_norm_lags": lags,
                }
            )
            self._warn(epoch, name, reason, lags)

    def _varies_by_own_statistics(self, name):
        """Whether a feature varies once batch norm takes the images' own."""
        if not _momentums(self._encoder):
            return False
        # Without state: a pass in training mode would move the statistics.
        outputs, _ = self._encoder.stateless_call(
            [variable.value for variable in self._encoder.trainable_variables],
            [
                variable.value
                for variable in self._encoder.non_trainable_variables
            ],
            self.images[: self.batch_size],
            training=True,
        )
        features = keras.ops.convert_to_numpy(
            encoder_features.named(outputs)[name]
        )
        features = features.reshape(len(features), -1).astype("float32")
        rank = spread.effective_rank(features)
        return _collapse(features, rank) is None

    def _warn(self, epoch, name, reason, lags):
        if reason is None:
            self._warned.discard(name)
        elif name not in self._warned:
            self._warned.add(name)
            if lags:
                logging.warning(
                    "The feature %r looks collapsed by the end of epoch %d: "
                    "%s. It is not, with the images' own statistics: the "
                    "moving statistics of batch norm lag behind, of momentum "
                    "%s. Train longer, or take a lower momentum such as 0.9.",
                    name,
                    epoch + 1,
                    reason,
                    " and ".join(map(str, _momentums(self._encoder))),
                )
                return
            logging.warning(
                "The feature %r has collapsed by the end of epoch %d: %s. "
                "Further training will not tell images apart; stop, and try "
                "a lower learning rate, more negatives or another weight of "
                "the prior.",
                name,
                epoch + 1,
                reason,
            )


def _momentums(model):
    """The momentums of a model's batch norms, each once."""
    return sorted(
        {
            layer.momentum
            for layer in model._flatten_layers()
            if isinstance(layer, keras.layers.BatchNormalization)
        }
    )


def _collapse(features, rank):
    """Returns in words how features have collapsed, or None."""
    varies = spread.relative_deviation(features)
    if varies < POINT:
        return (
            f"it is the same for all of {len(features)} images, to "
            f"{100 * varies:.2g} % of its size"
        )
    if rank < LINE and min(features.shape[1], len(features)) >= _LEAST_UNITS:
        return (
            f"its {features.shape[1]} units vary in one direction alone "
            f"(effective rank {rank:.2f})"
        )
    return None
