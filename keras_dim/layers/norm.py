"""Batch normalization with the settings of the published networks."""

from keras import layers

from keras_dim import distribution


def batch_normalization(**kwargs):
    """Returns a `BatchNormalization` whose statistics span all replicas.

    Synchronised only where there is something to synchronise with, as other
    backends refuse the option. A model is therefore built inside the scope of
    the strategy that trains it, which Keras asks for anyway.

    Args:
        **kwargs: `name` and `dtype`, handed on to the layer.
    """
    return layers.BatchNormalization(
        momentum=0.9,
        epsilon=1e-5,
        synchronized=distribution.num_replicas() > 1,
        **kwargs,
    )
