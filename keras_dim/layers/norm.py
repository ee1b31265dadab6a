"""Batch normalization with the settings of the published networks."""

import keras
from keras import layers

from keras_dim import distribution


def batch_normalization(**kwargs):
    """Returns a `BatchNormalization` whose statistics span all replicas.

    Synchronised only where there is something to synchronise with, as other
    backends refuse the option. A model is therefore built inside the scope of
    the strategy that trains it, which Keras asks for anyway.

    Differs from PyTorch in the moving variance: Keras averages the variances
    of batches, PyTorch n / (n - 1) times these, for n values to a channel.

    Args:
        **kwargs: `name` and `dtype`, handed on to the layer.
    """
    return layers.BatchNormalization(
        momentum=0.9,
        epsilon=1e-5,
        synchronized=distribution.num_replicas() > 1,
        **kwargs,
    )


def synchronize(layer, num_replicas):
    """Has every `BatchNormalization` of a layer span so many replicas.

    For a model that was saved under another number of them. Before it is
    traced: a compiled step does not change.

    Args:
        layer: layer or model. Layers within layers are found, too.
        num_replicas: int. How many share a step from now on.
    """
    for part in layer._flatten_layers():
        if isinstance(part, layers.BatchNormalization):
            part.synchronized = num_replicas > 1


def loadable(config):
    """Returns a configuration whose batch norms this backend can build.

    TensorFlow alone has synchronised ones; the others have no replicas.

    Args:
        config: configuration of any layer or model, from `get_config`. It is
            not changed.
    """
    if keras.backend.backend() == "tensorflow":
        return config
    if isinstance(config, list | tuple):
        return type(config)(map(loadable, config))
    if not isinstance(config, dict):
        return config
    config = {name: loadable(value) for name, value in config.items()}
    if config.get("class_name") == "BatchNormalization":
        config["config"]["synchronized"] = False
    return config
