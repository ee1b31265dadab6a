"""Image encoders without labels, by maximising mutual information.

Everything that trains an encoder is here at once. What reads data, writes
files or scores features is loaded when it is first used, so that importing
this package costs little more than importing Keras, and needs no TensorFlow
where Keras runs without it.
"""

import importlib
import pathlib
import sys

from keras_dim.version import __version__

# `keras-dim --help` and a mistyped flag are answered at once: in the process
# of the command, and in no other, Keras waits until it is needed.
if pathlib.Path(sys.argv[0] if sys.argv else "").stem != "keras-dim":
    from keras_dim import encoders
    from keras_dim import layers
    from keras_dim import methods
    from keras_dim import mutual_information
    from keras_dim import views
    from keras_dim.export import export
    from keras_dim.methods.amdim import AMDIM
    from keras_dim.methods.deep_infomax import DeepInfoMax

# Public name -> the module that holds it, or is it. What is named like its
# module, as `export` is, must not stand here but be imported above: importing
# the module later would put it in the place of what it holds.
_LAZY = {
    "data": "keras_dim.data",
    "distribution": "keras_dim.distribution",
    "evaluation": "keras_dim.evaluation",
    "list_pretrained": "keras_dim.presets",
    "pretrain": "keras_dim.training",
    "pretrained": "keras_dim.presets",
    "Recipe": "keras_dim.training",
    "recipes": "keras_dim.recipes",
    "serving": "keras_dim.serving",
    "training": "keras_dim.training",
}

__all__ = [
    "AMDIM",
    "DeepInfoMax",
    "Recipe",
    "__version__",
    "data",
    "distribution",
    "encoders",
    "evaluation",
    "export",
    "layers",
    "list_pretrained",
    "methods",
    "mutual_information",
    "pretrain",
    "pretrained",
    "recipes",
    "serving",
    "training",
    "views",
]


def __getattr__(name):
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(_LAZY[name])
    is_module = module.__name__ == f"{__name__}.{name}"
    value = module if is_module else getattr(module, name)
    globals()[name] = value
    return value


def __dir__():
    return sorted(__all__)
