"""Callbacks that measure an encoder during training."""

import functools
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from absl import logging
from keras import layers
from keras import ops

from keras_dim import batches
from keras_dim import checks
from keras_dim import optimizers
from keras_dim.encoders import features as encoder_features
from keras_dim.encoders import stored_values
from keras_dim.evaluation import features as features_lib
from keras_dim.evaluation import scoring
from keras_dim.evaluation import spread

HEADS = ("linear", "mlp")
LOGIT_LIMIT = 10.0
LOGIT_PENALTY = 1e-3
# A smaller relative deviation counts as a single point: bfloat16 alone rounds
# by up to 1/256.
POINT = 0.01
# A smaller effective rank counts as a line, whose rank is 1. That of healthy
# features is greater, from this number of units on.
LINE = 1.5
_LEAST_UNITS = 4
# Filled with a feature's name, an epoch and a description of the collapse.
COLLAPSED = (
    "The feature %r has collapsed by the end of epoch %d: %s. Further training "
    "is unlikely to mend this: stop, and try a lower learning rate, more "
    "negatives or another weight of the prior."
)
LAGS_BEHIND = (
    "The feature %r looks collapsed by the end of epoch %d: %s. It is not, if "
    "batch norm uses the images' own statistics: the moving statistics lag "
    "behind. Train longer, or use a lower momentum such as 0.9."
)
AT_CEILING = (
    "%r is %.2f of at most %.2f by the end of epoch %d: positive pairs are too "
    "easy to tell from negatives. Use a local map with more and smaller "
    "fields, larger batches for more negatives, or stronger views."
)
# A bound this close to its ceiling in the first epochs is warned about.
WITHIN = 0.03
EPOCHS = 3


class EncoderCallback(keras.callbacks.Callback):
    """Extracts features of a model in training; abstract.

    Images are checked when the callback is made and, against the encoder's
    image shape, before the first epoch.
    """

    num_classes: int | None = None
    every = 1

    def __init__(self, feature, batch_size, train=None, test=None):
        super().__init__()
        checks.integers(1, batch_size=batch_size)
        self.train = train
        self.test = test
        self.feature = feature
        self.batch_size = batch_size
        self.check(image_shape=None)

    def check(self, image_shape, values=None):
        """Raises a `ValueError` for images or labels that cannot be used."""
        for part in ("train", "test"):
            who = self._who(part)
            expected = image_shape, who, self.num_classes, values
            batches.check_labelled(getattr(self, part), *expected)

    def on_train_begin(self, logs=None):
        encoder = getattr(self.model, "encoder", self.model)
        self._features = features_lib.feature_names(self.feature, encoder)
        # Kept from epoch to epoch: a new model would be traced again.
        self._encoder = features_lib.feature_model(encoder, self._features)
        values = stored_values.value_range(encoder)
        self.check(features_lib.input_shape(encoder), values)
        # The last measurement, repeated in the logs until the next one.
        self._last = {}

    def is_due(self, epoch):
        """Returns whether a measurement is due at the end of an epoch."""
        is_last = epoch + 1 == (self.params or {}).get("epochs")
        return not self._last or is_last or (epoch + 1) % self.every == 0

    def extract(self, images):
        """Returns the current features of images, and their labels."""
        return features_lib.extract(
            self._encoder, images, self._features, self.batch_size
        )

    def labels(self, columns, part):
        """Returns the int64 labels among the columns of a `part`."""
        return batches.labels_of(
            columns, self._who(part), self.num_classes, allow_unlabelled=True
        )

    def _who(self, part):
        return f"`{part}` of {type(self).__name__}"


class ProbeCallback(EncoderCallback):
    """Scores features of the model in training at the end of epochs.

    The features are those of `model.encoder`, or of the model itself where it
    has none. The accuracy is logged as `"<probe>_<feature>"`, e.g.
    `"linear_probe_global"`. The first epoch of `fit`, each `every`-th and the
    last are scored. The other epochs repeat the last score in the logs, which
    `EarlyStopping` and `ModelCheckpoint` with `mode="max"` do not take for an
    improvement. Put this callback before callbacks that read the logs.

    Args:
        probe: str or callable. A name of `evaluation.PROBES`; or a function of
            training features, training labels, test features and test labels
            that returns a dict with `"accuracy"`.
        train: labelled images that the probe is fitted to: a pair of arrays
            `(images, labels)`, a dict of arrays with `"image"` and `"label"`,
            or a data set of batches of either.
        test: labelled images that the probe is scored on.
        feature, batch_size: see `extract`.
        every: int. Epochs from one score to the next. Defaults to `1`.
        **arguments: arguments of the probe; for a name also those of
            `evaluation.run_probe`, e.g. `labels_per_class=10`. Arguments of a
            function that have a name listed above are given by
            `functools.partial(mlp_probe, batch_size=32)`.

    Attributes:
        results: list of dicts, one for each score: `"epoch"` (from 0),
            `"feature"`, and the probe's results.

    Raises:
        ValueError: for an unknown probe or argument, and for images or labels
            that `keras_dim.batches` refuses; before the first epoch for an
            unknown feature and images of another shape than the encoder's.
    """

    def __init__(
        self,
        probe: str | Callable[..., dict[str, Any]],
        train: Any,
        test: Any,
        feature: str | Sequence[str] | None = None,
        every: int = 1,
        batch_size: int = 256,
        **arguments: Any,
    ):
        super().__init__(feature, batch_size, train, test)
        checks.integers(1, every=every)
        function = getattr(probe, "func", probe)
        self.name = getattr(function, "__name__", type(probe).__name__)
        if isinstance(probe, str):
            scoring.check_arguments(probe, arguments)
            self.name, probe = probe, scoring.run_probe
            arguments = {"probe": self.name, "arguments": arguments}
        self._score = functools.partial(probe, **arguments)
        self.every = every
        self.results = []

    def on_epoch_end(self, epoch, logs=None):
        if self.is_due(epoch):
            train, test = self.extract(self.train), self.extract(self.test)
            labels = self.labels(train, "train"), self.labels(test, "test")
            for name in self._features:
                result = self._score(
                    train.pop(name), labels[0], test.pop(name), labels[1]
                )
                self._last[f"{self.name}_{name}"] = result["accuracy"]
                self.results.append({"epoch": epoch, "feature": name, **result})
        if logs is not None:
            logs.update(self._last)


class OnlineProbe(EncoderCallback):
    """Trains a linear and an MLP classifier on features during training.

    After each batch of the model, both take one step on a batch of labelled
    images; no gradient reaches the encoder. At the end of each epoch their
    accuracies on the test images are logged as `"online_linear_<feature>"` and
    `"online_mlp_<feature>"`. They are below the scores of a probe of the
    finished encoder, and cost one forward pass per step.

    The linear classifier is a dense layer; the MLP is dropout of 0.2, 1,024
    units without bias, batch norm, ReLU, dropout of 0.2 and a dense layer. A
    resumed run starts with new classifiers.

    Args:
        train: labelled images to train on, see `ProbeCallback`. Images
            labelled -1 have no label.
        test: labelled images to score. Those labelled -1 are left out.
        num_classes: int.
        feature: str. Defaults to `encoders.default_feature(encoder)`.
        batch_size: int. Labelled images per step. Defaults to `128`.
        learning_rate: float. Of Adam with `beta_1=0.8` and an L2 penalty of
            1e-5, the authors' settings. Defaults to `2e-4`.
        seed: int. Of the weights, dropout and the order of arrays. Defaults
            to `0`.

    Raises:
        ValueError: as `ProbeCallback`, for fewer than two classes and labels
            from `num_classes` on.

    Differs from the authors' code, which trains on both views of the
    encoder's own batch: a callback has no access to it, and labels may be few.

    Reference: [Bachman et al., 2019](https://arxiv.org/abs/1906.00910) and
    the code published with it.
    """

    def __init__(
        self,
        train: Any,
        test: Any,
        num_classes: int,
        feature: str | None = None,
        batch_size: int = 128,
        learning_rate: float = 2e-4,
        seed: int = 0,
    ):
        # Batch norm needs two images in a step.
        checks.integers(2, num_classes=num_classes, batch_size=batch_size)
        checks.above(0, learning_rate=learning_rate)
        self.num_classes = num_classes
        super().__init__(feature, batch_size, train, test)
        self.learning_rate = learning_rate
        self.seed = seed

    def on_train_begin(self, logs=None):
        super().on_train_begin(logs)
        (self._name,) = self._features
        self._batches = self._endless_batches()
        self._heads = None

    def on_train_batch_end(self, batch, logs=None):
        if keras.backend.backend() == "jax":
            # Within an epoch, Keras keeps the weights outside the model.
            self.model.jax_state_sync()
        images = next(self._batches)
        labels = self.labels(images, "train")
        (found,) = features_lib.stream(
            self._encoder, images, self._name, len(labels)
        )
        features = found[self._name]
        if self._heads is None:
            self._heads = self._build_heads(features.shape[-1])
        self._heads.train_on_batch(features, {name: labels for name in HEADS})

    def on_epoch_end(self, epoch, logs=None):
        found = self.extract(self.test)
        labels = self.labels(found, "test")
        if (labels == batches.UNLABELLED).all():
            raise ValueError(f"{self._who('test')} needs labels. All are -1")
        logits = self._heads.predict(
            found[self._name], batch_size=self.batch_size, verbose=0
        )
        for name in HEADS if logs is not None else ():
            right = (logits[name].argmax(-1) == labels)[labels >= 0]
            # `argmax` takes NaN for the first class.
            is_finite = np.isfinite(logits[name]).all()
            accuracy = float(right.mean()) if is_finite else float("nan")
            logs[f"online_{name}_{self._name}"] = accuracy

    def _build_heads(self, width):
        policy = {"dtype": "float32"}
        seeds = iter(range(self.seed, self.seed + 5))

        def dense(units, **options):
            uniform = keras.initializers.GlorotUniform(next(seeds))
            options |= {"kernel_initializer": uniform, **policy}
            return layers.Dense(units, **options)

        features = keras.Input((width,), **policy)
        x = layers.Dropout(0.2, seed=next(seeds), **policy)(features)
        x = dense(1024, use_bias=False)(x)
        x = layers.BatchNormalization(momentum=0.9, epsilon=1e-5, **policy)(x)
        x = layers.ReLU(**policy)(x)
        x = layers.Dropout(0.2, seed=next(seeds), **policy)(x)
        outputs = {
            name: dense(self.num_classes, name=name)(inputs)
            for name, inputs in zip(HEADS, (features, x), strict=True)
        }
        heads = keras.Model(features, outputs)
        heads.compile(
            optimizers.Adam(self.learning_rate, beta_1=0.8, l2=1e-5),
            loss={name: online_probe_loss for name in HEADS},
        )
        return heads

    def _endless_batches(self) -> Iterator[dict[str, np.ndarray]]:
        """Yields batches of `train`, in one pass after another."""
        order = np.random.default_rng(self.seed)
        while True:
            batch = None
            for batch in batches.iterate(self._shuffled(order)):
                yield batch
            if batch is None:
                raise ValueError(
                    f"{self._who('train')} is a data set without images"
                )

    def _shuffled(self, order):
        """Returns `train` as a data set; arrays are shuffled and batched."""
        if not batches.is_whole(self.train):
            return self.train
        whole = batches.columns(self.train)
        rows = order.permutation(len(whole["image"]))
        # A smaller last batch is left out, unless it is the only one.
        end = len(rows) // self.batch_size * self.batch_size or len(rows)
        parts = (
            rows[start : start + self.batch_size]
            for start in range(0, end, self.batch_size)
        )
        whole = {name: np.asarray(column) for name, column in whole.items()}
        return ({name: x[part] for name, x in whole.items()} for part in parts)


def online_probe_loss(labels, logits):
    """Returns the cross entropy of clipped logits plus a penalty on squares.

    Args:
        labels: int tensor `(batch,)` or `(batch, 1)`. Rows labelled -1 have no
            label, and count for the penalty only.
        logits: tensor `(batch, classes)`.

    Returns:
        Scalar in nats, as in the code of [Bachman et al., 2019](
        https://arxiv.org/abs/1906.00910).
    """
    labels = ops.cast(ops.reshape(labels, (-1,)), "int32")
    logits = ops.cast(logits, "float32")
    clipped = LOGIT_LIMIT * ops.tanh(logits / LOGIT_LIMIT)
    # `one_hot` of -1 is a row of zeros.
    own = ops.one_hot(labels, logits.shape[-1]) * ops.log_softmax(clipped)
    num_labels = ops.sum(ops.cast(labels >= 0, "float32"))
    cross_entropy = -ops.sum(own) / ops.maximum(num_labels, 1.0)
    return cross_entropy + LOGIT_PENALTY * ops.mean(ops.square(logits))


class CollapseReport(EncoderCallback):
    """Logs how much features vary, and warns when they have collapsed.

    A collapsed encoder gives all images the same features, or features on a
    line; its loss need not show it. At the end of each epoch three numbers are
    logged for each feature: `"effective_rank_<feature>"`, and the smallest and
    the mean of its units' standard deviations over the images,
    `"smallest_deviation_<feature>"` and `"mean_deviation_<feature>"`. Put this
    callback before callbacks that read the logs.

    While the moving statistics of batch norm lag behind, as with momentum 0.999
    in the first epochs, features look collapsed. They are then computed again
    with the statistics of the images, and the warning says whether they vary.

    Args:
        images: array `(num_images, height, width, channels)` as the encoder
            takes them, a few hundred, from the training images or others.
        feature, batch_size: see `ProbeCallback`.
        values: `batches.ValueRange` of images that are not pixels of 0 to 255.
            Defaults to None.

    Raises:
        ValueError: for fewer than two images, and images that
            `keras_dim.batches.check` refuses; before the first epoch, for an
            unknown feature and for another image size.
    """

    def __init__(
        self,
        images: np.ndarray,
        feature: str | Sequence[str] | None = None,
        batch_size: int = 256,
        values: batches.ValueRange | None = None,
    ):
        self.images = images
        self.values = values
        super().__init__(feature, batch_size)
        # Features already warned about that have not recovered.
        self._warned = set()

    def check(self, image_shape, values=None):
        why = "one image cannot show whether features vary"
        expected = image_shape, 2, type(self).__name__, why
        batches.check(self.images, *expected, values or self.values)

    def on_epoch_end(self, epoch, logs=None):
        measured = self.measure(epoch, self.extract(self.images))
        if logs is not None:
            logs.update(measured)

    def measure(self, epoch, found):
        """Returns the numbers of `found` features, and warns of collapse."""
        measured = {}
        for name in self._features:
            deviations = spread.deviations(found[name])
            measured |= {
                f"effective_rank_{name}": spread.effective_rank(found[name]),
                f"smallest_deviation_{name}": float(deviations.min()),
                f"mean_deviation_{name}": float(deviations.mean()),
            }
            reason = _collapse(found[name])
            if reason is None:
                self._warned.discard(name)
            elif name not in self._warned:
                self._warned.add(name)
                is_lag = self._varies_by_own_statistics(name)
                warning = LAGS_BEHIND if is_lag else COLLAPSED
                logging.warning(warning, name, epoch + 1, reason)
        return measured

    def _varies_by_own_statistics(self, name):
        """Returns whether a feature varies by the images' batch statistics."""
        model, norm = self._encoder, keras.layers.BatchNormalization
        if not any(isinstance(each, norm) for each in model._flatten_layers()):
            return False
        # Stateless, as a pass in training mode would update the statistics.
        variables = model.trainable_variables, model.non_trainable_variables
        values = ([variable.value for variable in each] for each in variables)
        images = self.images[: self.batch_size]
        outputs, _ = model.stateless_call(*values, images, training=True)
        found = encoder_features.named(outputs)[name]
        found = keras.ops.convert_to_numpy(found).astype("float32")
        return _collapse(found.reshape(len(found), -1)) is None


def _collapse(features):
    """Returns how features have collapsed, as a clause, or None."""
    num_images, units = features.shape
    varies = spread.relative_deviation(features)
    if varies < POINT:
        share = f"{100 * varies:.2g} % of its size"
        return f"it is the same for all {num_images} images to within {share}"
    rank = spread.effective_rank(features)
    if rank < LINE and min(units, num_images) >= _LEAST_UNITS:
        measured = f"effective rank {rank:.2f}"
        return f"its {units} units vary in a single direction, {measured}"
    return None


class CeilingReport(keras.callbacks.Callback):
    """Warns once if a bound reaches its ceiling in the first three epochs.

    A bound such as InfoNCE cannot exceed the logarithm of the number of
    candidates. If it comes within 3 % of it that early, something simple tells
    the pairs apart, and the features stay poor.

    Args:
        ceilings: mapping from a name in the logs to its ceiling, above 0, or
            None where there is none, such as `model.ceilings(batch_size)`.
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
                logging.warning(AT_CEILING, name, value, ceiling, epoch + 1)
