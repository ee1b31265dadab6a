"""Batch normalization: as published, across replicas, or in splits."""

import keras
from keras import layers
from keras import ops

from keras_dim import checks
from keras_dim import distribution


def batch_normalization(**kwargs):
    """Returns a `BatchNormalization` whose statistics span all replicas.

    Build a model inside the scope of the strategy that trains it: the option is
    set only for several replicas, as other backends refuse it.

    Differs from PyTorch in the moving variance: Keras averages the variances of
    batches, PyTorch n / (n - 1) times these, for n values per channel.
    """
    return layers.BatchNormalization(
        momentum=0.9,
        epsilon=1e-5,
        synchronized=distribution.num_replicas() > 1,
        **kwargs,
    )


def synchronize(layer, num_replicas):
    """Makes all batch norms within a layer span all replicas, or only one.

    Call it before the layer is compiled.
    """
    for part in layer._flatten_layers():
        if isinstance(part, layers.BatchNormalization):
            part.synchronized = num_replicas > 1


def loadable(config):
    """Returns a layer's config whose batch norms this backend can build."""
    # Only TensorFlow has synchronised ones.
    is_tensorflow = keras.backend.backend() == "tensorflow"
    return config if is_tensorflow else on_one_device(config)


def on_one_device(config):
    """Returns a layer's config whose batch norms span a single replica."""

    def alone(part):
        if isinstance(part, dict) and "synchronized" in part:
            return part | {"synchronized": False}
        return None

    return keras.tree.traverse(alone, config, top_down=False)


@keras.saving.register_keras_serializable(package="keras_dim")
class SplitBatchNormalization(layers.BatchNormalization):
    """Batch normalization as on several devices, on one device.

    In training, rows `s`, `s + num_splits`, `s + 2 * num_splits`, ... of a
    replica's batch are normalized by their own mean and variance. The moving
    statistics average over all splits and all replicas. In inference it is a
    plain `BatchNormalization` with the same weights.

    Args:
        num_splits: int. Number of splits, by which the batch of a replica must
            be divisible.
        **kwargs: for `keras.layers.BatchNormalization`, with `axis=-1` and
            without `renorm`.

    Reference: the authors' CIFAR-10 notebook of [MoCo](
    https://github.com/facebookresearch/moco).
    """

    def __init__(self, num_splits, **kwargs):
        super().__init__(**kwargs)
        checks.integers(1, num_splits=num_splits)
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
            raise ValueError("Split batch norm takes no masks. Received one.")
        if inputs.shape[0] is not None and inputs.shape[0] % self.num_splits:
            raise ValueError(
                f"A batch must be divisible by num_splits={self.num_splits}. "
                f"Received: shape {tuple(inputs.shape)}"
            )
        # Squares overflow in half precision.
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
        model: functional or sequential `keras.Model`. It is not changed.
        num_splits: int, or None for plain batch norms.
    """

    def split(part):
        config = part["config"] | {"num_splits": num_splits}
        if num_splits is None:
            del config["num_splits"]
            layer = layers.BatchNormalization.from_config(config)
        else:
            layer = SplitBatchNormalization.from_config(config)
        return part | keras.saving.serialize_keras_object(layer)

    names = ("BatchNormalization", "SplitBatchNormalization")
    config = replaced(model.get_config(), names, split)
    converted = type(model).from_config(config)
    converted.set_weights(model.get_weights())
    return converted


def replaced(config, class_names, replace):
    """Returns a config with objects of some classes replaced, at any depth."""

    def visit(part):
        if isinstance(part, dict) and part.get("class_name") in class_names:
            return replace(part)
        return None

    return keras.tree.traverse(visit, config, top_down=False)
