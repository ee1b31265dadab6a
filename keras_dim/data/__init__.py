"""Reads images from files, arrays and data sets, in a reproducible order."""

from keras_dim.data.measuring import Statistics
from keras_dim.data.measuring import measure
from keras_dim.data.opening import open_source
from keras_dim.data.pipeline import load
from keras_dim.data.source import NoSplitError
from keras_dim.data.source import Source

__all__ = [
    "NoSplitError",
    "Source",
    "Statistics",
    "load",
    "measure",
    "open_source",
]
