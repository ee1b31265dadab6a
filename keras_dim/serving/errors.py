"""Errors of a server that returned no features."""


class ServerError(OSError):
    """A server returned no features. The base of all errors below.

    It is never raised itself. As an `OSError` it ends the command with one
    line and exit code 2.

    Args:
        message: str.
        code: str. The status code, such as `"NOT_FOUND"`, in gRPC's words.
    """

    def __init__(self, message: str, code: str = "UNKNOWN"):
        super().__init__(message)
        self.code = code


class UnavailableError(ServerError, ConnectionError):
    """No server answers there, or it has no room for requests now."""


class ServerDeadlineError(ServerError, TimeoutError):
    """The server did not answer in time."""


class ModelNotFoundError(ServerError, LookupError):
    """The server does not serve such a model, or such a version."""


class RequestRefusedError(ServerError, ValueError):
    """The server has the model and refuses the request to it."""


class MessageTooLargeError(ServerError, ValueError):
    """A message is larger than the client or the server allows.

    Args:
        message: str.
        code: str.
        batch_size: int. The most images that fit; 0 if not even one does.
    """

    def __init__(self, message: str, code: str, batch_size: int):
        super().__init__(message, code)
        self.batch_size = batch_size


class UnexpectedAnswerError(ServerError):
    """TensorFlow Serving does not answer sound requests like this."""
