"""A small method with a memory bank, a moving average and split batch norm.

It runs on any backend.
"""

import keras
import numpy as np
from keras import layers
from keras import ops

from keras_dim import distribution
from keras_dim.layers.memory import MemoryBank
from keras_dim.layers.memory import MovingAverage
from keras_dim.layers.norm import SplitBatchNormalization

NUM_IMAGES = 24
BATCH_SIZE = 8


@keras.saving.register_keras_serializable(package="tiny_bank_method")
class BankMethod(keras.Model):
    """Finds each image's row among all rows of the bank."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.encoder = keras.Sequential(
            [
                keras.Input((6,)),
                layers.Dense(8, kernel_initializer=uniform()),
                SplitBatchNormalization(2, momentum=0.9),
                layers.Dense(4, kernel_initializer=uniform()),
            ]
        )
        self.bank = MemoryBank(NUM_IMAGES, 4, seed=3)
        self.average = MovingAverage(0.9, log_space=True)
        # Its random numbers have no effect here.
        self.seed_generator = keras.random.SeedGenerator(0)
        self.built = True

    def call(self, inputs, training=False):
        rows, order = distribution.shuffle_rows(
            inputs["image"], self.seed_generator
        )
        rows = distribution.unshuffle_rows(rows, order)
        features = ops.normalize(self.encoder(rows, training=training), axis=-1)
        return [features, inputs["index"]]

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        features, indices = y_pred
        scores = ops.matmul(features, ops.transpose(self.bank.read())) / 0.2
        positives = ops.sum(features * self.bank.read(indices), axis=1) / 0.2
        log_sums = ops.logsumexp(scores, axis=1)
        log_mean = ops.mean(log_sums)
        if training:
            average = self.average.update(log_mean)
            self.bank.update(indices, features)
        else:
            average = self.average.read()
        return ops.mean(ops.exp(log_sums - average)) - ops.mean(positives)

    if keras.backend.backend() == "tensorflow":

        def _maybe_symbolic_build(self, iterator=None, data_batch=None):
            self.optimizer.build(self.trainable_variables)

    else:

        def _symbolic_build(self, iterator=None, data_batch=None):
            self.optimizer.build(self.trainable_variables)

    def get_config(self):
        return {}


def uniform():
    return keras.initializers.RandomUniform(-0.5, 0.5, seed=1)


def make():
    model = BankMethod()
    model.compile(keras.optimizers.SGD(0.1))
    return model


def fit(model, epochs=3):
    """Trains on the same batches in the same order; returns the losses."""
    rng = np.random.default_rng(0)
    indices = rng.permutation(NUM_IMAGES).astype("int32")
    # One image occurs twice in a batch.
    indices[5] = indices[2]
    images = rng.normal(size=(NUM_IMAGES, 6)).astype("float32")
    history = model.fit(
        {"image": images, "index": indices},
        batch_size=BATCH_SIZE,
        epochs=epochs,
        shuffle=False,
        verbose=0,
    )
    return history.history["loss"]
