"""A trained network that is used within another model and never changes."""

import keras
from keras import ops

from keras_dim import configurable
from keras_dim.layers import teacher


@keras.saving.register_keras_serializable(package="keras_dim")
class FrozenNetwork(configurable.Configurable, teacher.NeverTrained):
    """Applies a copy of a network in inference mode, without gradients.

    The copy has weights of its own, which no optimizer trains and which are
    saved with the model that holds this layer. The network given stays
    trainable.

    Args:
        network: built `keras.Model`.

    Output: that of the network.
    """

    def __init__(self, network, **kwargs):
        super().__init__(**kwargs)
        self.network = teacher.clone(network)
        self.network.set_weights(network.get_weights())
        for weight in self.network.weights:
            weight.trainable = False
        self.built = True

    def call(self, inputs):
        outputs = self.network(inputs, training=False)
        return keras.tree.map_structure(ops.stop_gradient, outputs)
