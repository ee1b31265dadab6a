"""Optimizers and learning rates as published recipes state them.

| name | class | what it does |
| --- | --- | --- |
| `"adam"` | `Adam` | Adam as in PyTorch; `l2` adds an L2 penalty |
| `"adamw"` | `Adam` | with decoupled weight decay |
| `"sgd"` | `SGD` | momentum as in PyTorch; `l2` adds an L2 penalty |
| `"lars"` | `LARS` | a step for each variable in proportion to its norm |

`l2` and `weight_decay` are two things. `l2` adds `l2 * variable` to the
gradient, which then passes through momentum and adaptation: PyTorch calls this
`weight_decay` in its `Adam` and `SGD`. Keras's `weight_decay` is decoupled: it
takes `learning_rate * weight_decay * variable` off each variable, apart from
the gradient. Both are 0 by default, but for `l2` of LARS and `weight_decay` of
`"adamw"`.

Nothing but Keras's variables holds state, and every step is made of
`keras.ops`: mixed precision, `jit_compile`, replicas and JAX need no more.
"""

from keras_dim import checks
from keras_dim.optimizers.adam import Adam
from keras_dim.optimizers.lars import LARS
from keras_dim.optimizers.schedule import Schedule
from keras_dim.optimizers.sgd import SGD

OPTIMIZERS = {"adam": Adam, "adamw": Adam, "sgd": SGD, "lars": LARS}


__all__ = ["LARS", "OPTIMIZERS", "SGD", "Adam", "Schedule", "get"]


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
