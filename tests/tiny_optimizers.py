"""One optimizer of each class, and a few steps of training with it."""

import keras
import numpy as np

from keras_dim import optimizers

ROWS = np.random.default_rng(1).normal(size=(8, 3)).astype("float32")
EACH = {
    "adam": lambda rate: optimizers.Adam(rate, beta_1=0.8, l2=0.2),
    "sgd": lambda rate: optimizers.SGD(rate, 0.9, nesterov=True, l2=0.1),
    "lars": lambda rate: optimizers.LARS(rate, l2=0.1, definition="byol"),
}


def schedule():
    return optimizers.Schedule(0.1, "cosine", total_steps=9, warmup_steps=2)


def model(optimizer, **kwargs):
    """A compiled layer whose weights are not random."""
    layer = keras.layers.Dense(2, kernel_initializer="ones")
    model = keras.Sequential([keras.Input((3,)), layer])
    model.compile(optimizer, "mse", **kwargs)
    return model


def fit(model, epochs):
    """Trains with two steps an epoch, and returns the weights."""
    model.fit(ROWS, ROWS[:, :2], 4, epochs, verbose=0, shuffle=False)
    return model.get_weights()
