"""A trained network within another model that is not trained further."""

import keras
from keras import ops

from keras_dim import configurable
from keras_dim.layers import teacher


@keras.saving.register_keras_serializable(package="keras_dim")
class FrozenNetwork(configurable.Configurable, teacher.NeverTrained):
    """Applies a copy of a network in inference mode, without gradients.

    The copy has its own weights, which no optimizer trains and which are saved
    with the model that holds this layer. The given network stays trainable.
    The outputs are those of the network.

    Args:
        network: built `keras.Model`.

    Raises:
        ValueError: for a network that is not built.
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
