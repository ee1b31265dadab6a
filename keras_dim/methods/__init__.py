"""Self-supervised methods, one class to a file."""

from keras_dim.methods.amdim import AMDIM
from keras_dim.methods.deep_infomax import DeepInfoMax

METHODS = {"amdim": AMDIM, "deep_infomax": DeepInfoMax}

__all__ = ["AMDIM", "METHODS", "DeepInfoMax"]
