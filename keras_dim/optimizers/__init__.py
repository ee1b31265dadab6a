"""Optimizers and learning rate schedules as published codes define them.

`"adam"`, `"adamw"` (with decoupled weight decay) and `"sgd"` are those of
PyTorch; `"lars"` scales the step of each variable by its norm.

`l2` adds `l2 * variable` to the gradient, which then passes through momentum
and adaptation: the `weight_decay` of PyTorch's `Adam` and `SGD`. Keras's
`weight_decay` is decoupled: it takes `learning_rate * weight_decay * variable`
off each variable, apart from the gradient. Both are 0 by default, except `l2`
of LARS and `weight_decay` of `"adamw"`.
"""

from keras_dim import checks
from keras_dim.optimizers.published import LARS
from keras_dim.optimizers.published import SGD
from keras_dim.optimizers.published import Adam
from keras_dim.optimizers.schedule import SCHEDULES
from keras_dim.optimizers.schedule import Schedule

OPTIMIZERS = {"adam": Adam, "adamw": Adam, "sgd": SGD, "lars": LARS}

__all__ = ["LARS", "OPTIMIZERS", "SCHEDULES", "SGD", "Adam", "Schedule", "get"]


def get(name, **arguments):
    """Returns the optimizer of that name.

    Args:
        name: str. `"adam"`, `"adamw"`, `"sgd"` or `"lars"`.
        **arguments: arguments of its class.

    Raises:
        ValueError: for an unknown name or argument, with the nearest known.

    Example:
    ```python
    optimizers.get("sgd", learning_rate=0.03, momentum=0.9, l2=1e-4)
    ```
    """
    checks.one_of(OPTIMIZERS, optimizer=name)
    checks.keywords(OPTIMIZERS[name], arguments, f"The optimizer {name!r}")
    if name == "adamw":
        arguments = {"weight_decay": 0.01} | arguments
    return OPTIMIZERS[name](**arguments)
