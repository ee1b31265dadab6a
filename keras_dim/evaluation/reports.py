"""Callbacks that warn of training that teaches nothing."""

from collections.abc import Mapping
from collections.abc import Sequence

import keras
import numpy as np
from absl import logging

from keras_dim import batches
from keras_dim import checks
from keras_dim.encoders import features as encoder_features
from keras_dim.evaluation import spread
from keras_dim.evaluation.encoder_callback import EncoderCallback

# Features that differ from image to image by less than a hundredth of their
# size are one point: bfloat16 alone rounds by up to 1/256.
POINT = 0.01
# A line has an effective rank of 1. Healthy features of a few units, too, are
# well above this.
LINE = 1.5
_LEAST_UNITS = 4
# The warnings, of a feature's name, an epoch and how the feature has collapsed.
COLLAPSED = (
    "The feature %r has collapsed by the end of epoch %d: %s. Further training "
    "will not tell images apart; stop, and try a lower learning rate, more "
    "negatives or another weight of the prior."
)
LAGS_BEHIND = (
    "The feature %r looks collapsed by the end of epoch %d: %s. It is not, "
    "with the images' own statistics: the moving statistics of batch norm lag "
    "behind. Train longer, or take a lower momentum such as 0.9."
)
# The share of a ceiling that may be missing, and the epochs that are early.
WITHIN = 0.03
EPOCHS = 3


class CollapseReport(EncoderCallback):
    """Logs how much features vary, and warns where they have collapsed.

    A collapsed encoder gives all images the same features, or features on a
    line; its loss may look well all the same. At the end of each epoch three
    numbers go to the logs for each feature: `"effective_rank_<feature>"`,
    `"smallest_deviation_<feature>"` and `"mean_deviation_<feature>"`, the
    standard deviations over the images. A warning is logged at the end of the
    epoch in which a feature collapses. Put this before callbacks that read the
    logs, such as `CSVLogger`.

    A batch norm whose moving statistics lag behind, as with momentum 0.999 in
    the first epochs, makes features look collapsed. They are computed again
    with the statistics of the images themselves; if they vary then, the
    warning names the batch norm instead.

    The features are those of `model.encoder`, or of the model itself where it
    has none.

    Args:
        images: array `(num_images, height, width, channels)` as the encoder
            takes them, a few hundred, held out or not.
        feature: str or sequence of str. Which of the encoder's features.
            Defaults to `encoders.default_feature(encoder)`.
        batch_size: int. Most images per call of the encoder. Defaults to
            `256`.

    Raises:
        ValueError: for fewer than two images, and images that
            `keras_dim.batches.check` refuses; before the first epoch, for a
            feature that the encoder does not have and for another image size.
    """

    def __init__(
        self,
        images: np.ndarray,
        feature: str | Sequence[str] | None = None,
        batch_size: int = 256,
    ):
        self.images = images
        super().__init__(feature, batch_size)
        # The features that were warned of, until they are healthy again.
        self._warned = set()

    def check(self, image_shape):
        batches.check(
            self.images,
            image_shape,
            min_images=2,
            who="CollapseReport",
            why="one image cannot show whether features vary",
        )

    def on_epoch_end(self, epoch, logs=None):
        logs = {} if logs is None else logs
        found = self.extract(self.images)
        for name in self._features:
            deviations = spread.deviations(found[name])
            logs[f"effective_rank_{name}"] = spread.effective_rank(found[name])
            logs[f"smallest_deviation_{name}"] = float(deviations.min())
            logs[f"mean_deviation_{name}"] = float(deviations.mean())
            reason = _collapse(found[name])
            if reason is None:
                self._warned.discard(name)
            elif name not in self._warned:
                self._warned.add(name)
                is_lag = self._varies_by_own_statistics(name)
                warning = LAGS_BEHIND if is_lag else COLLAPSED
                logging.warning(warning, name, epoch + 1, reason)

    def _varies_by_own_statistics(self, name):
        """Whether a feature varies once batch norm takes the images' own."""
        model, norm = self._encoder, keras.layers.BatchNormalization
        if not any(isinstance(each, norm) for each in model._flatten_layers()):
            return False
        # Without state: a pass in training mode would move the statistics.
        outputs, _ = model.stateless_call(
            [variable.value for variable in model.trainable_variables],
            [variable.value for variable in model.non_trainable_variables],
            self.images[: self.batch_size],
            training=True,
        )
        found = encoder_features.named(outputs)[name]
        found = keras.ops.convert_to_numpy(found).astype("float32")
        return _collapse(found.reshape(len(found), -1)) is None


def _collapse(features):
    """Returns in words how features have collapsed, or None."""
    num_images, units = features.shape
    varies = spread.relative_deviation(features)
    if varies < POINT:
        return (
            f"it is the same for all of {num_images} images, to "
            f"{100 * varies:.2g} % of its size"
        )
    rank = spread.effective_rank(features)
    if rank < LINE and min(units, num_images) >= _LEAST_UNITS:
        return (
            f"its {units} units vary in one direction alone (effective rank "
            f"{rank:.2f})"
        )
    return None


class CeilingReport(keras.callbacks.Callback):
    """Warns once of a bound at its ceiling in the first three epochs.

    A bound such as InfoNCE cannot exceed the logarithm of the number of
    candidates. One that is within 3 % of it after an epoch or two has nothing
    left to learn: pairs are told apart by something simple, and the features
    stay poor.

    Args:
        ceilings: mapping from a name in the logs to its ceiling, above 0, in
            the same unit, or to None where there is none.

    Example:
    ```python
    report = CeilingReport({"local_information": math.log(64)})
    model.fit(images, epochs=10, callbacks=[report])
    ```
    """

    def __init__(self, ceilings: Mapping[str, float | None]):
        super().__init__()
        self.ceilings = checks.given(**ceilings)
        checks.above(0, **self.ceilings)
        self._warned = set()

    def on_epoch_end(self, epoch, logs=None):
        for name, ceiling in self.ceilings.items():
            value = (logs or {}).get(name, float("nan"))
            is_early = epoch < EPOCHS and name not in self._warned
            if is_early and value >= (1 - WITHIN) * ceiling:
                self._warned.add(name)
                logging.warning(
                    "%r is %.2f of at most %.2f by the end of epoch %d: the "
                    "pairs are too easy to tell apart to teach more. Take a "
                    "map with more and smaller fields as the local one, larger "
                    "batches for more negatives, or stronger views.",
                    name,
                    value,
                    ceiling,
                    epoch + 1,
                )
