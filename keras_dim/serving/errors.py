"""Why a server gave no features, in words that say what to do."""


class ServerError(OSError):
    """A server gave no features. What all errors below have in common.

    Abstract: what is raised is one of those below. As an `OSError` it is one
    line and exit code 2 of the command.

    Args:
        message: str.
        code: str. The name of the canonical status, such as `"NOT_FOUND"`,
            which gRPC and REST have in common.
    """

    def __init__(self, message: str, code: str = "UNKNOWN"):
        super().__init__(message)
        self.code = code


class UnavailableError(ServerError, ConnectionError):
    """No server answers there, or it does not answer now."""


class ServerDeadlineError(ServerError, TimeoutError):
    """The time was up before there was an answer."""


class ModelNotFoundError(ServerError, LookupError):
    """The server does not serve such a model, or such a version."""


class RequestRefusedError(ServerError, ValueError):
    """The server has the model, and refuses what it is to work on."""


class MessageTooLargeError(ServerError, ValueError):
    """A message is larger than the client or the server allows.

    Args:
        message: str.
        code: str.
        batch_size: int. The most images that fit; 0 where not one does.
    """

    def __init__(self, message: str, code: str, batch_size: int):
        super().__init__(message, code)
        self.batch_size = batch_size


class UnexpectedAnswerError(ServerError):
    """The answer is none that TensorFlow Serving gives to a sound request."""
