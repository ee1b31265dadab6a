"""Numbers of parameters of networks, of whatever size, without drawing them."""

import gc
import math

import keras


def num_parameters(make):
    """Returns how many numbers are trained in all of the layers it makes.

    Args:
        make: function that returns a list of built layers.
    """
    with keras.StatelessScope(initialize_variables=False):
        weights = [w for layer in make() for w in layer.trainable_weights]
    # Keras would draw them at the end of the next scope. Its search for garbage
    # among millions of objects takes seconds: hide them.
    gc.freeze()
    keras.backend.clear_session()
    gc.unfreeze()
    return sum(math.prod(weight.shape) for weight in weights)
