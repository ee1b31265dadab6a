"""Errors of a server that returned no features."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import SplitResult

from keras_dim.serving.address import as_text


class ServerError(OSError):
    """A server returned no features. The base of all errors below.

    `code` is the status code of gRPC, such as `"NOT_FOUND"`. As an `OSError` it
    ends the command with one line and exit code 2.
    """

    # Of the request that failed.
    num_attempts = 1

    def __init__(self, message: str, code: str = "UNKNOWN"):
        super().__init__(message)
        self.code = code


class UnavailableError(ServerError, ConnectionError):
    """The server cannot be reached, or lacks resources for the request."""


class ServerDeadlineError(ServerError, TimeoutError):
    """The server did not answer in time."""


class ModelNotFoundError(ServerError, LookupError):
    """The server does not serve this model, or this version of it."""


class RequestRefusedError(ServerError, ValueError):
    """The server has the model and refuses the request."""


class MessageTooLargeError(ServerError, ValueError):
    """A message is larger than the client or the server allows.

    `batch_size` is the largest number of such images that fits; 0 if not one
    image does.
    """

    def __init__(self, message: str, batch_size: int):
        message = f"{message} {_advice(batch_size)}"
        super().__init__(message, "RESOURCE_EXHAUSTED")
        self.batch_size = batch_size


class UnexpectedAnswerError(ServerError):
    """TensorFlow Serving never answers a valid request like this."""


_REFUSED = (RequestRefusedError, "It refused the request.")
_UNEXPECTED = (UnexpectedAnswerError, "Is it TensorFlow Serving?")
_TIMEOUT = "Raise `timeout`, or lower `batch_size`."
_EXHAUSTED = (UnavailableError, "Try later, or lower `batch_size`.")
_NO_REST = "Does it serve REST at this port? The default port is 8501."
# The error for each code, and its advice. CONNECTION_FAILED is our own, for
# failures that no retry repairs.
_ERRORS = {
    "UNAVAILABLE": (UnavailableError, "Does a server listen there?"),
    "CONNECTION_FAILED": (UnavailableError, _NO_REST),
    "DEADLINE_EXCEEDED": (ServerDeadlineError, _TIMEOUT),
    "NOT_FOUND": (ModelNotFoundError, "It does not serve this model."),
    "RESOURCE_EXHAUSTED": _EXHAUSTED,
    "INVALID_ARGUMENT": _REFUSED,
    "FAILED_PRECONDITION": _REFUSED,
    "OUT_OF_RANGE": _REFUSED,
}
# Messages of TensorFlow Serving and of gRPC, with their numbers.
_BATCH_TOO_LARGE = re.compile(r"larger than maximum input batch size (\d+)")
_MESSAGE_TOO_LARGE = re.compile(r"larger than max \((\d+) vs\. (\d+)\)")
# The reason comes first, and a trace through the graph follows.
_LONGEST_QUOTE = 500


def explain(
    failure: ServerError,
    request: Any,
    address: SplitResult,
    timeout: float,
    versions: Mapping[int, str] | None = None,
) -> ServerError:
    """Returns the error to raise for the failure of a `transport.Request`.

    `versions`, if known, has the state of each version of the model.
    """
    where = as_text(address)
    said = " ".join(str(failure).split())
    # `repr` escapes what would control a terminal.
    quote = f" Its message: {said[:_LONGEST_QUOTE]!r}" if said else ""
    sizes = _MESSAGE_TOO_LARGE.search(said)
    code = failure.code
    error, advice = _ERRORS.get(code, _UNEXPECTED)
    # gRPC's code is RESOURCE_EXHAUSTED, as for a lack of memory.
    if code == "MESSAGE_TOO_LARGE" or (code == "RESOURCE_EXHAUSTED" and sizes):
        if num_images := len(request.images):
            # If the sizes are unknown, half of the images is a guess.
            size, limit = map(int, sizes.groups()) if sizes else (2, 1)
            return MessageTooLargeError(
                f"A message of {num_images} images is too large for {where}."
                f"{quote}",
                min(num_images * limit // max(size, 1), num_images - 1),
            )
        code, (error, advice) = "RESOURCE_EXHAUSTED", _UNEXPECTED
    if error is RequestRefusedError:
        if too_many := _BATCH_TOO_LARGE.search(said):
            advice += f" {_advice(too_many[1])}"
        elif request.signature:
            ((name, spec),) = request.signature.inputs.items()
            advice += (
                f" Its signature {request.signature_name!r} takes {name}, "
                f"{spec.dtype} {spec.shape}. Sent: {request.shape}."
            )
    elif error is ModelNotFoundError:
        if request.features:
            # The signatures had been read, so the model was there.
            advice += " It did at first: embed all images again."
        if versions is not None:
            advice += f" Versions of this model there: {versions or 'none'}."
    elif error is UnexpectedAnswerError and address.path:
        advice += f" The path before /v1 is {address.path}."
    elif "HTTP/2" in said or "http1" in said:
        # A server of HTTP/1 does not understand gRPC's HTTP/2.
        advice = "It does not speak gRPC: write http:// in front for REST."
    return error(
        f"{where} failed a request to the model {request} with {code} "
        f"(attempts: {failure.num_attempts}, within {timeout:g} seconds). "
        f"{advice}{quote}",
        code,
    )


def _advice(batch_size):
    if not batch_size:
        return "Not one image fits: send smaller images."
    return f"Pass batch_size={batch_size} (--batch_size {batch_size})."
