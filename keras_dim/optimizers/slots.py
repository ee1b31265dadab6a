"""State variables of optimizers."""

from keras import ops


def zeros_like(optimizer, variables, name):
    """Returns an optimizer's variable for each of a model's, 0 at first."""
    return [
        optimizer.add_variable_from_reference(variable, name=name)
        for variable in variables
    ]


def with_l2(gradient, variable, l2):
    """Returns the gradient of a loss with an L2 penalty."""
    gradient = ops.cast(gradient, variable.dtype)
    return gradient + l2 * variable if l2 else gradient
