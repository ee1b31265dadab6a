"""Batch normalization of parts of a batch, each by its own statistics."""

import keras
from keras import layers
from keras import ops

from keras_dim import distribution


@keras.saving.register_keras_serializable(package="keras_dim")
class SplitBatchNormalization(layers.BatchNormalization):
    """Batch normalization as on several devices, on one device.

    In training, rows `s`, `s + num_splits`, `s + 2 * num_splits`, ... of a
    batch are normalized by their own mean and variance, as if each such split
    lay on a device of its own. With shuffled keys it keeps MoCo's statistics
    from telling which key belongs to a query. The moving statistics take the
    mean over all splits and all replicas. In inference it is a plain
    `BatchNormalization` with the same weights.

    Each replica splits its own rows, whatever `synchronized` says.

    Args:
        num_splits: int. Number of splits, by which the batch of a replica must
            be divisible.
        **kwargs: handed on to `keras.layers.BatchNormalization`. Channels are
            last, and there is no `renorm`.

    Reference: the authors' CIFAR-10 notebook of [MoCo](
    https://github.com/facebookresearch/moco).
    """

    def __init__(self, num_splits, **kwargs):
        super().__init__(**kwargs)
        if num_splits < 1:
            raise ValueError(
                f"`num_splits` must be 1 or more. Received: {num_splits}"
            )
        if self.axis != -1 or self.renorm:
            raise ValueError(
                "Split batch norm takes axis=-1 and renorm=False. Received: "
                f"axis={self.axis}, renorm={self.renorm}"
            )
        self.num_splits = num_splits

    def call(self, inputs, training=None, mask=None):
        if not (training and self.trainable):
            return super().call(inputs, training=False)
        if mask is not None:
            raise ValueError("Split batch norm knows no masks. Received one.")
        if inputs.shape[0] is not None and inputs.shape[0] % self.num_splits:
            raise ValueError(
                f"A batch must be divisible by num_splits={self.num_splits}. "
                f"Received: shape {tuple(inputs.shape)}"
            )
        # Half precision overflows in the squares.
        rows = ops.cast(inputs, "float32")
        shape = ops.shape(rows)
        rows = ops.reshape(rows, (-1, self.num_splits, *shape[1:]))
        # All axes but that of the splits and that of the channels.
        axes = [0, *range(2, len(shape))]
        means, variances = ops.moments(rows, axes, keepdims=True)
        self._update(self.moving_mean, means)
        self._update(self.moving_variance, variances)
        rows = (rows - means) * ops.rsqrt(variances + self.epsilon)
        if self.scale:
            rows = rows * self.gamma
        if self.center:
            rows = rows + self.beta
        return ops.cast(ops.reshape(rows, shape), self.compute_dtype)

    def _update(self, moving, of_splits):
        """Moves a moving statistic towards the mean over all splits."""
        of_splits = ops.reshape(of_splits, (self.num_splits, -1))
        new = distribution.sum_replicas(ops.mean(of_splits, axis=0))
        new = new / distribution.num_replicas()
        moving.assign(self.momentum * moving + (1.0 - self.momentum) * new)

    def get_config(self):
        return super().get_config() | {"num_splits": self.num_splits}


def split_batch_norms(model, num_splits):
    """Returns a model whose batch norms are split, with the same weights.

    Args:
        model: functional or sequential `keras.Model`. It stays as it is.
        num_splits: int, or None for plain batch norms, which need no
            keras_dim to be loaded.
    """
    converted = type(model).from_config(_split(model.get_config(), num_splits))
    converted.set_weights(model.get_weights())
    return converted


def _split(config, num_splits):
    """Returns a configuration, of whatever depth, with other batch norms."""
    if isinstance(config, list | tuple):
        return type(config)(_split(part, num_splits) for part in config)
    if not isinstance(config, dict):
        return config
    config = {name: _split(part, num_splits) for name, part in config.items()}
    if config.get("class_name") not in (
        "BatchNormalization",
        "SplitBatchNormalization",
    ):
        return config
    arguments = config["config"]
    arguments.pop("num_splits", None)
    if num_splits is None:
        layer = layers.BatchNormalization.from_config(arguments)
    else:
        layer = SplitBatchNormalization.from_config(
            arguments | {"num_splits": num_splits}
        )
    return config | keras.saving.serialize_keras_object(layer)
