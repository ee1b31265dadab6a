"""Image encoders from unlabelled images, for Keras 3.

Every public name is imported when it is first used. So `import keras_dim` and
`keras-dim --help` take milliseconds and load neither Keras nor TensorFlow, and
TensorFlow is not needed where Keras runs without it.
"""

import importlib
import sys
from typing import TYPE_CHECKING

from keras_dim.version import __version__

if TYPE_CHECKING:
    from keras_dim import advice
    from keras_dim import curation
    from keras_dim import data
    from keras_dim import distribution
    from keras_dim import encoders
    from keras_dim import evaluation
    from keras_dim import layers
    from keras_dim import methods
    from keras_dim import mutual_information
    from keras_dim import optimizers
    from keras_dim import plots
    from keras_dim import presets
    from keras_dim import recipes
    from keras_dim import report
    from keras_dim import serving
    from keras_dim import training
    from keras_dim import views
    from keras_dim.advice import advise
    from keras_dim.exporting import export
    from keras_dim.methods import AMDIM
    from keras_dim.methods import BYOL
    from keras_dim.methods import CMC
    from keras_dim.methods import CPC
    from keras_dim.methods import RAFT
    from keras_dim.methods import AlignmentUniformity
    from keras_dim.methods import CodingRate
    from keras_dim.methods import CorInfoMax
    from keras_dim.methods import DeepInfoMax
    from keras_dim.methods import Distillation
    from keras_dim.methods import InstanceDiscrimination
    from keras_dim.methods import MoCo
    from keras_dim.methods import SimCLR
    from keras_dim.presets import list_pretrained
    from keras_dim.presets import pretrained
    from keras_dim.training import Recipe
    from keras_dim.training import pretrain

# The modules of functions and classes other than methods. None may be called as
# a module of this package: importing that module would replace it.
_MODULE_OF = {
    "Recipe": "training",
    "advise": "advice",
    "export": "exporting",
    "list_pretrained": "presets",
    "pretrain": "training",
    "pretrained": "presets",
}

__all__ = [
    "AMDIM",
    "AlignmentUniformity",
    "BYOL",
    "CMC",
    "CPC",
    "CodingRate",
    "CorInfoMax",
    "DeepInfoMax",
    "Distillation",
    "InstanceDiscrimination",
    "MoCo",
    "RAFT",
    "Recipe",
    "SimCLR",
    "__version__",
    "advice",
    "advise",
    "curation",
    "data",
    "distribution",
    "encoders",
    "evaluation",
    "export",
    "layers",
    "list_pretrained",
    "methods",
    "mutual_information",
    "optimizers",
    "plots",
    "presets",
    "pretrain",
    "pretrained",
    "recipes",
    "report",
    "serving",
    "training",
    "views",
]


def __getattr__(name):
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = _MODULE_OF.get(name, "methods" if name[0].isupper() else name)
    value = importlib.import_module(f"{__name__}.{home}")
    if home != name:
        value = getattr(value, name)
    globals()[name] = value
    return value


def __dir__():
    return sorted(__all__)


# Keras can load a saved method only once its class is registered, by an import.
# If Keras is imported later, that happens with the first use of a method.
if "keras" in sys.modules:
    from keras_dim import methods  # noqa: F401
