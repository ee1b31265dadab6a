"""Self-supervised methods, one class to a file."""

# A saved method may hold one of these, which Keras has to know, too.
from keras_dim import optimizers  # noqa: F401
from keras_dim.methods.alignment_uniformity import AlignmentUniformity
from keras_dim.methods.amdim import AMDIM
from keras_dim.methods.byol import BYOL
from keras_dim.methods.cmc import CMC
from keras_dim.methods.coding_rate import CodingRate
from keras_dim.methods.corinfomax import CorInfoMax
from keras_dim.methods.cpc import CPC
from keras_dim.methods.deep_infomax import DeepInfoMax
from keras_dim.methods.distillation import Distillation
from keras_dim.methods.instance_discrimination import InstanceDiscrimination
from keras_dim.methods.moco import MoCo
from keras_dim.methods.raft import RAFT
from keras_dim.methods.simclr import SimCLR

METHODS = {
    "alignment_uniformity": AlignmentUniformity,
    "amdim": AMDIM,
    "byol": BYOL,
    "cmc": CMC,
    "coding_rate": CodingRate,
    "corinfomax": CorInfoMax,
    "cpc": CPC,
    "deep_infomax": DeepInfoMax,
    "distillation": Distillation,
    "instance_discrimination": InstanceDiscrimination,
    "moco": MoCo,
    "raft": RAFT,
    "simclr": SimCLR,
}

__all__ = [
    "AMDIM",
    "BYOL",
    "CMC",
    "CPC",
    "METHODS",
    "RAFT",
    "AlignmentUniformity",
    "CodingRate",
    "CorInfoMax",
    "DeepInfoMax",
    "Distillation",
    "InstanceDiscrimination",
    "MoCo",
    "SimCLR",
]
