"""Layers with state: queues, banks and moving averages of features.

Their weights are float32 under any policy, get no gradient, and are saved with
the model. Each replica holds its own copy, so that all replicas must write the
same values: those of `distribution.concat_replicas`.
"""

import math

import keras
from keras import layers
from keras import ops

from keras_dim import checks
from keras_dim import configurable
from keras_dim import distribution
from keras_dim.layers import initializers


class StateLayer(layers.Layer):
    """Base of layers with state."""

    def __init__(self, **kwargs):
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.built = True

    def add_state(self, name, shape=(), initializer="zeros", dtype=None):
        """Returns a new weight that is not trained."""
        # Otherwise half precision would round it where a method reads it.
        options = {"trainable": False, "autocast": False}
        return self.add_weight(shape, initializer, dtype, name=name, **options)

    @staticmethod
    def value_of(state):
        """Returns a weight as a tensor without a gradient."""
        return ops.stop_gradient(ops.convert_to_tensor(state))


@keras.saving.register_keras_serializable(package="keras_dim")
class FeatureQueue(configurable.Configurable, StateLayer):
    """Keeps the features of the last batches as negatives for later ones.

    It starts with random unit vectors. New features overwrite the oldest ones
    in a ring, so that batches may have any size.

    Args:
        size: int. Number of features in the queue.
        units: int. Width of a feature.
        seed: int or None for a random one. Seed of the first features.

    Reference: [He et al., 2020](https://arxiv.org/abs/1911.05722).
    """

    def __init__(self, size, units, seed=None, **kwargs):
        super().__init__(**kwargs)
        checks.integers(1, size=size, units=units)
        self.size = size
        self.units = units
        self.seed = seed
        self.features = self.add_state(
            "features", (size, units), initializers.unit_vectors(seed)
        )
        # Row of the oldest feature. Keras keeps "int" on accelerators, too.
        self.pointer = self.add_state("pointer", dtype="int")

    def read(self):
        """Returns the features, float32 `(size, units)`, not ordered by age."""
        return self.value_of(self.features)

    def enqueue(self, features):
        """Overwrites the oldest features; of more than `size`, the last stay.

        Args:
            features: tensor `(any number, units)`.
        """
        checks.shape((None, self.units), features=features)
        features = ops.cast(ops.stop_gradient(features), "float32")
        count = ops.shape(features)[0]
        rows = self.pointer + ops.arange(count, dtype=self.pointer.dtype)
        rows = ops.mod(rows, self.size)
        # Rows written twice could end with either value.
        newest = slice(-self.size, None)
        distribution.write_rows(self.features, rows[newest], features[newest])
        end = self.pointer + ops.cast(count, self.pointer.dtype)
        self.pointer.assign(ops.mod(end, self.size))


@keras.saving.register_keras_serializable(package="keras_dim")
class MemoryBank(configurable.Configurable, StateLayer):
    """Keeps a moving average of the feature of each image of a data set.

    An update sets an image's row to `normalize(momentum * row +
    (1 - momentum) * feature)`. The rows start uniform in
    `+-1 / sqrt(units / 3)`, as in the authors' code.

    Args:
        num_images: int. Number of images in the data set.
        units: int. Width of a feature.
        momentum: float. Weight of the old row, from 0 to 1. Defaults to 0.5.
        seed: int or None for a random one. Seed of the first rows.

    Example:
    ```python
    bank = MemoryBank(num_images=50_000, units=128)
    rows = bank.read(indices)
    bank.update(
        distribution.concat_replicas(indices),
        distribution.concat_replicas(features),
    )
    ```

    Reference: [Wu et al., 2018](https://arxiv.org/abs/1805.01978).
    """

    def __init__(self, num_images, units, momentum=0.5, seed=None, **kwargs):
        super().__init__(**kwargs)
        checks.integers(1, num_images=num_images, units=units)
        checks.between(0, 1, momentum=momentum)
        self.num_images = num_images
        self.units = units
        self.momentum = momentum
        self.seed = seed
        bound = (units / 3) ** -0.5
        self.features = self.add_state(
            "features",
            (num_images, units),
            keras.initializers.RandomUniform(-bound, bound, seed),
        )

    def read(self, indices=None):
        """Returns rows of the bank, of shape `(*shape of indices, units)`.

        Args:
            indices: int tensor of any shape, or None for all rows. Indices of
                images in the data set.
        """
        if indices is None:
            return self.value_of(self.features)
        return ops.stop_gradient(distribution.read_rows(self.features, indices))

    def update(self, indices, features):
        """Updates rows of the bank. Of equal indices, the last one counts.

        Args:
            indices: int tensor `(batch,)`. Indices of the images in the data
                set.
            features: tensor `(batch, units)`, of length 1.
        """
        checks.shape((None,), indices=indices)
        checks.shape((indices.shape[0], self.units), features=features)
        features = ops.cast(ops.stop_gradient(features), "float32")
        # Rows may be written in parallel: equal indices must write equal rows.
        features = ops.take(features, _last_places(indices), axis=0)
        old = self.read(indices)
        new = self.momentum * old + (1.0 - self.momentum) * features
        new = ops.normalize(new, axis=-1)
        distribution.write_rows(self.features, indices, new)


def _last_places(indices):
    """Returns the last position of each index, int `(batch,)`."""
    is_equal = ops.equal(indices[:, None], ops.flip(indices)[None, :])
    return ops.shape(indices)[0] - 1 - ops.argmax(is_equal, axis=1)


@keras.saving.register_keras_serializable(package="keras_dim")
class MovingAverage(configurable.Configurable, StateLayer):
    """Averages values over steps: `decay * average + (1 - decay) * value`.

    The first value is the first average.

    Args:
        decay: float. Weight of the past, from 0 to 1, which keeps the first
            value.
        shape: tuple of int. Shape of the values. Defaults to `()`.
        log_space: bool. Whether values and the average are logarithms of the
            averaged numbers, which might overflow, such as sums of
            exponentials. Defaults to `False`.
    """

    def __init__(self, decay, shape=(), log_space=False, **kwargs):
        super().__init__(**kwargs)
        checks.between(0, 1, decay=decay)
        self.decay = decay
        self.shape = tuple(shape)
        self.log_space = log_space
        self.average = self.add_state("average", self.shape)
        self.has_started = self.add_state("has_started")

    def read(self):
        """Returns the average, a float32 tensor; zeros before any update."""
        return self.value_of(self.average)

    def update(self, value):
        """Updates the average by a value of its shape, and returns it."""
        checks.shape(self.shape, value=value)
        value = ops.cast(ops.stop_gradient(value), "float32")
        past, weights = self.read(), (self.decay, 1.0 - self.decay)
        if self.log_space:
            decay, rest = (math.log(w) if w else -math.inf for w in weights)
            average = ops.logaddexp(decay + past, rest + value)
        else:
            average = weights[0] * past + weights[1] * value
        average = ops.where(self.has_started > 0, average, value)
        self.average.assign(average)
        self.has_started.assign(1.0)
        return average
