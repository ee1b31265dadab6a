"""A client of TensorFlow Serving that returns the features of images.

A REST client loads no TensorFlow if KERAS_BACKEND is jax; a gRPC client loads
tensorflow-serving-api, which imports TensorFlow.
"""

from keras_dim.serving.client import Client
from keras_dim.serving.errors import MessageTooLargeError
from keras_dim.serving.errors import ModelNotFoundError
from keras_dim.serving.errors import RequestRefusedError
from keras_dim.serving.errors import ServerDeadlineError
from keras_dim.serving.errors import ServerError
from keras_dim.serving.errors import UnavailableError
from keras_dim.serving.errors import UnexpectedAnswerError
from keras_dim.serving.transport import Signature
from keras_dim.serving.transport import TensorSpec

__all__ = [
    "Client",
    "MessageTooLargeError",
    "ModelNotFoundError",
    "RequestRefusedError",
    "ServerDeadlineError",
    "ServerError",
    "Signature",
    "TensorSpec",
    "UnavailableError",
    "UnexpectedAnswerError",
]
