"""The state of optimizers, and their L2 penalty."""

import keras
from keras import ops

from keras_dim import configurable


class Optimizer(configurable.Configurable, keras.optimizers.Optimizer):
    """Base of the optimizers: state for each variable, 0 at first."""

    slot_names = ("momentum",)

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        self._slots = [
            [self.add_variable_from_reference(v, name=name) for v in variables]
            for name in self.slot_names
        ]

    def slots_of(self, variable):
        """Returns the state of a variable, in the order of `slot_names`."""
        index = self._get_variable_index(variable)
        return [slots[index] for slots in self._slots]

    def with_l2(self, gradient, variable):
        """Returns the gradient of the loss with the L2 penalty."""
        gradient = ops.cast(gradient, variable.dtype)
        return gradient + self.l2 * variable if self.l2 else gradient
