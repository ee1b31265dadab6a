"""AMDIM's classifiers that learn beside the encoder and do not teach it."""

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from keras import layers
from keras import ops

from keras_dim import batches
from keras_dim import checks
from keras_dim import optimizers
from keras_dim.evaluation import features as features_lib
from keras_dim.evaluation.encoder_callback import EncoderCallback

HEADS = ("linear", "mlp")
LOGIT_LIMIT = 10.0
LOGIT_PENALTY = 1e-3


class OnlineProbe(EncoderCallback):
    """Trains a linear and an MLP classifier on features during training.

    After each batch of the model, both take one step on a batch of their own
    labelled images; the features are constants to them, so that the encoder
    learns nothing from labels. At the end of each epoch their accuracies on
    the test images go to the logs as `"online_linear_<feature>"` and
    `"online_mlp_<feature>"`. They trail what a probe of the finished encoder
    scores, and cost little: one forward pass of a batch to a step.

    The linear one is a dense layer; the MLP is dropout of 0.2, 1,024 units
    without bias, batch norm, ReLU, dropout of 0.2 and a dense layer. A resumed
    run begins with new ones.

    Args:
        train: labelled images the classifiers learn from: a pair of arrays
            `(images, labels)`, a dict of arrays with `"image"` and
            `"label"`, or a data set of batches of either. Images labelled -1
            have no label.
        test: labelled images that are scored. Those labelled -1 are left out.
        num_classes: int.
        feature: str. Which of the encoder's features. Defaults to
            `encoders.default_feature(encoder)`.
        batch_size: int. Labelled images to a step. Defaults to `128`.
        learning_rate: float. Defaults to `2e-4`, with `beta_1=0.8` and an L2
            penalty of 1e-5, the authors' settings for encoder and
            classifiers.
        seed: int. Of the weights, dropout and the order of arrays. Defaults
            to `0`.

    Example:
    ```python
    probe = OnlineProbe(train, test, num_classes=10)
    model.fit(unlabelled, epochs=100, callbacks=[probe])
    ```

    Differs from the authors' code, which takes both views of the batch that
    trains the encoder: a callback sees no batch, and labels may be few.

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
        # Batch norm compares the images of a step.
        checks.integers(2, num_classes=num_classes, batch_size=batch_size)
        self.train = train
        self.test = test
        self.num_classes = num_classes
        super().__init__(feature, batch_size)
        self.learning_rate = learning_rate
        self.seed = seed

    def on_train_begin(self, logs=None):
        super().on_train_begin(logs)
        (self._name,) = self._features
        self._batches = self._endless_batches()
        self._heads = None

    def on_train_batch_end(self, batch, logs=None):
        if keras.backend.backend() == "jax":
            # Within an epoch Keras holds the weights apart from the model.
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
        logits = self._heads.predict(
            found[self._name], batch_size=self.batch_size, verbose=0
        )
        for name in HEADS if logs is not None else ():
            right = (logits[name].argmax(-1) == labels)[labels >= 0]
            logs[f"online_{name}_{self._name}"] = float(right.mean())

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
        """Yields labelled batches of `train`, one pass after the other."""
        order = np.random.default_rng(self.seed)
        while True:
            if not batches.is_whole(self.train):
                yield from batches.iterate(self.train)
                continue
            whole = batches.columns(self.train)
            rows = order.permutation(len(whole["image"]))
            # Without the rest, unless it is all there is.
            end = len(rows) // self.batch_size * self.batch_size
            for start in range(0, end or len(rows), self.batch_size):
                chosen = rows[start : start + self.batch_size]
                yield {
                    name: np.asarray(column)[chosen]
                    for name, column in whole.items()
                }


def online_probe_loss(labels, logits):
    """Cross entropy of clipped logits, and a penalty on their squares.

    Labels are `(batch,)` or `(batch, 1)`, -1 for none, which counts for the
    penalty alone; logits `(batch, classes)`. The result is a scalar in nats.
    """
    labels = ops.cast(ops.reshape(labels, (-1,)), "int32")
    logits = ops.cast(logits, "float32")
    clipped = LOGIT_LIMIT * ops.tanh(logits / LOGIT_LIMIT)
    # A row without a label is all zeros, and adds nothing.
    own = ops.one_hot(labels, logits.shape[-1]) * ops.log_softmax(clipped)
    num_labels = ops.sum(ops.cast(labels >= 0, "float32"))
    cross_entropy = -ops.sum(own) / ops.maximum(num_labels, 1.0)
    return cross_entropy + LOGIT_PENALTY * ops.mean(ops.square(logits))
