"""Self-supervised methods, one class to a file."""

from keras_dim.methods.deep_infomax import DeepInfoMax

METHODS = {"deep_infomax": DeepInfoMax}

__all__ = ["METHODS", "DeepInfoMax"]
