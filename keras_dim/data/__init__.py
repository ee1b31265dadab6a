"""Images in: any source as a dataset of batches, on any backend."""

from keras_dim.data.opening import open_source
from keras_dim.data.pipeline import load
from keras_dim.data.source import NoSplitError
from keras_dim.data.source import Source

__all__ = ["NoSplitError", "Source", "load", "open_source"]
