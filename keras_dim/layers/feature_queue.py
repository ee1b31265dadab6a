"""A queue of features that serve as negatives for later batches."""

import keras
from keras import layers
from keras import ops

from keras_dim import checks
from keras_dim import configurable
from keras_dim import distribution
from keras_dim.layers import initializers


@keras.saving.register_keras_serializable(package="keras_dim")
class FeatureQueue(configurable.Configurable, layers.Layer):
    """Keeps the features of the last batches; the oldest make room.

    The queue starts with random unit vectors. It is a ring: new features
    overwrite the oldest ones from a pointer on, so any batch size fits. Its
    weights are float32 whatever the policy, get no gradient, and are saved
    with the model.

    On several replicas, enqueue the features of all of them, from
    `distribution.concat_replicas`: each replica holds its own copy of the
    queue, and all must write the same.

    Args:
        size: int. Number of features in the queue.
        units: int. Width of a feature.
        seed: int or None for a random one. Seed of the first features.

    Example:
    ```python
    queue = FeatureQueue(size=65536, units=128)
    negatives = queue.read()
    queue.enqueue(distribution.concat_replicas(keys))
    ```

    Reference: [He et al., 2020](https://arxiv.org/abs/1911.05722).
    """

    def __init__(self, size, units, seed=None, **kwargs):
        super().__init__(**{**kwargs, "dtype": "float32"})
        checks.integers(1, size=size, units=units)
        self.size = size
        self.units = units
        self.seed = seed
        self.features = self.add_weight(
            name="features",
            shape=(size, units),
            initializer=initializers.UnitVectors(seed),
            trainable=False,
            # Half precision would round them where a method reads them.
            autocast=False,
        )
        # Row of the oldest feature. "int" is the integer that Keras keeps on
        # an accelerator, too.
        self.pointer = self.add_weight(
            name="pointer",
            shape=(),
            initializer="zeros",
            dtype="int",
            trainable=False,
        )
        self.built = True

    def read(self):
        """Returns the features, a float32 tensor `(size, units)`.

        They are ordered by their place in the ring, not by age.
        """
        return ops.stop_gradient(ops.convert_to_tensor(self.features))

    def enqueue(self, features):
        """Overwrites the oldest features. Of more than `size`, the last stay.

        Args:
            features: tensor `(any number, units)`. The same on all replicas.
        """
        if len(features.shape) != 2 or features.shape[-1] != self.units:
            raise ValueError(
                f"The queue takes features of shape (any number, {self.units})."
                f" Received: shape {tuple(features.shape)}"
            )
        features = ops.cast(ops.stop_gradient(features), "float32")
        count = ops.cast(ops.shape(features)[0], self.pointer.dtype)
        end = self.pointer + count
        # More would overwrite each other, on an accelerator in any order.
        kept = features[-self.size :]
        num_kept = ops.shape(kept)[0]
        start = end - ops.cast(num_kept, self.pointer.dtype)
        rows = start + ops.arange(num_kept, dtype=self.pointer.dtype)
        rows = ops.mod(rows, self.size)
        distribution.write_rows(self.features, rows, kept)
        self.pointer.assign(ops.mod(end, self.size))
