"""Tells in the first epoch that features have collapsed."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from absl import logging

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

    The features are those of `model.encoder`, or of the model itself where it
    has none.

    Args:
        images: array `(num_images, height, width, channels)` as the encoder
            takes them, a few hundred. They need no labels. Best they are held
            out, but a collapse shows on any images.
        feature: str or sequence of str. Which of the encoder's features.
            Defaults to `"global"`.
        batch_size: int. Most images per call of the encoder. Defaults to
            `256`.

    Attributes:
        results: list of dicts, one for each epoch and feature: `"epoch"`
            (from 0), `"feature"`, `"effective_rank"`, `"smallest_deviation"`,
            `"mean_deviation"`, `"has_collapsed"`.

    Raises:
        ValueError: for fewer than two images; at the beginning of training,
            for a feature that the encoder does not have.

    Example:
    ```python
    report = CollapseReport(held_out_images)
    model.fit(images, epochs=10, callbacks=[report])
    ```
    """

    def __init__(
        self,
        images: np.ndarray,
        feature: str | Sequence[str] = "global",
        batch_size: int = 256,
    ):
        super().__init__()
        if len(images) < 2:
            raise ValueError(
                "Two images or more are needed to tell whether features vary. "
                f"Received: {len(images)}"
            )
        self.images = images
        self.feature = features_lib.feature_names(feature)
        self.batch_size = batch_size
        self.results: list[dict[str, Any]] = []
        self._collapsed: set[str] = set()
        self._encoder = None

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        encoder = getattr(self.model, "encoder", self.model)
        self._encoder = features_lib.feature_model(encoder, self.feature)

    def on_epoch_end(
        self, epoch: int, logs: dict[str, Any] | None = None
    ) -> None:
        logs = {} if logs is None else logs
        found = features_lib.extract(
            self._encoder, self.images, self.feature, self.batch_size
        )
        for name in self.feature:
            deviations = spread.deviations(found[name])
            numbers = {
                "effective_rank": spread.effective_rank(found[name]),
                "smallest_deviation": float(deviations.min()),
                "mean_deviation": float(deviations.mean()),
            }
            for key, value in numbers.items():
                logs[f"{key}_{name}"] = value
            reason = _collapse(found[name], numbers["effective_rank"])
            self.results.append(
                {
                    "epoch": epoch,
                    "feature": name,
                    **numbers,
                    "has_collapsed": reason is not None,
                }
            )
            self._warn(epoch, name, reason)

    def _warn(self, epoch, name, reason):
        if reason is None:
            self._collapsed.discard(name)
        elif name not in self._collapsed:
            self._collapsed.add(name)
            logging.warning(
                "The feature %r has collapsed by the end of epoch %d: %s. What "
                "is trained further will not tell images apart; stop, and try "
                "a lower learning rate, more negatives or another weight of "
                "the prior.",
                name,
                epoch + 1,
                reason,
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
