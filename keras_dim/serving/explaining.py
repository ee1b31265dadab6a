"""What the failure of a request means, and what to do about it."""

import dataclasses
import re
from collections.abc import Mapping

from keras_dim.serving import errors
from keras_dim.serving.address import Address
from keras_dim.serving.transport import CONNECTION_FAILED
from keras_dim.serving.transport import MESSAGE_TOO_LARGE
from keras_dim.serving.transport import Failure
from keras_dim.serving.transport import ModelName
from keras_dim.serving.transport import Signature

_REFUSED = ("INVALID_ARGUMENT", "FAILED_PRECONDITION", "OUT_OF_RANGE")
# What TensorFlow Serving and gRPC say, with the numbers that are of use.
_BATCH_TOO_LARGE = re.compile(r"larger than maximum input batch size (\d+)")
_MESSAGE_TOO_LARGE = re.compile(r"larger than max \((\d+) vs\. (\d+)\)")
# A few words of the server are of help, a trace through its graph is not.
_LONGEST_QUOTE = 500


@dataclasses.dataclass(frozen=True)
class Request:
    """What was asked of whom.

    Args:
        address: `Address`.
        model: `ModelName`.
        timeout: float. Seconds.
        shape: tuple of int or None. Of the batch that was sent, if one was.
        signature_name: str or None.
        signature: `Signature` or None.
    """

    address: Address
    model: ModelName
    timeout: float
    shape: tuple[int, ...] | None = None
    signature_name: str | None = None
    signature: Signature | None = None

    @property
    def num_images(self) -> int:
        """How many images were sent."""
        return self.shape[0] if self.shape else 0


def explain(
    failure: Failure,
    request: Request,
    versions: Mapping[int, str] | None = None,
) -> errors.ServerError:
    """Returns the error that a failure is to be raised as.

    Args:
        failure: `Failure`.
        request: `Request`.
        versions: mapping or None. For `NOT_FOUND`: the state of each version
            that the server has of the model, none for a model that it does
            not know. Defaults to None, where that is not to be learnt.

    Returns:
        `ServerError`, one of its kinds.
    """
    code = failure.code
    words = _printable(" ".join(str(failure).split()))
    if len(words) > _LONGEST_QUOTE:
        words = f"{words[:_LONGEST_QUOTE]}..."
    said = f" The answer: {words}" if words else ""
    if code == "UNAVAILABLE":
        return errors.UnavailableError(
            f"{request.address} is not available. {_tried(failure, request)}"
            f"{_other_protocol(words)}{said}",
            code,
        )
    if code == CONNECTION_FAILED:
        return errors.UnavailableError(
            f"The connection to {request.address} failed. Does REST listen "
            "there? TensorFlow Serving's own port for it is 8501. The "
            f"reason: {words}",
            code,
        )
    if code == "DEADLINE_EXCEEDED":
        return errors.ServerDeadlineError(
            f"{request.address} gave no answer within {request.timeout:g} "
            f"seconds. Raise `timeout`, or lower `batch_size`.{said}",
            code,
        )
    if code == "NOT_FOUND" and request.num_images:
        # It has told its signatures, which come before any image is sent.
        return errors.ModelNotFoundError(
            f"{request.address} does not serve the model {request.model} any "
            "more, which it did when the images began to go out, and features "
            "of two versions would not go together. Embed all of them again, "
            "or have the server keep the version."
            f"{_there_is(request.model, versions)}{said}",
            code,
        )
    if code == "NOT_FOUND":
        return errors.ModelNotFoundError(
            f"{request.address} does not serve the model {request.model}. "
            f"Check its name and version.{_there_is(request.model, versions)}"
            f"{said}",
            code,
        )
    if code == "RESOURCE_EXHAUSTED" and _MESSAGE_TOO_LARGE.search(words):
        code = MESSAGE_TOO_LARGE
    if code == MESSAGE_TOO_LARGE and request.num_images:
        return too_large(
            f"{request.num_images} images at once are too much for "
            f"{request.address}.{said}",
            _fewer(request.num_images, words),
        )
    if code == MESSAGE_TOO_LARGE:
        code = "RESOURCE_EXHAUSTED"
    elif code == "RESOURCE_EXHAUSTED":
        # Of memory, of requests in a minute: the server's words tell.
        return errors.UnavailableError(
            f"{request.address} has no room for the request. Ask later, or "
            f"lower `batch_size`.{said}",
            code,
        )
    if code in _REFUSED:
        return errors.RequestRefusedError(
            f"{request.address} refused the request to the model "
            f"{request.model}.{_expected(request, words)}{said}",
            code,
        )
    return errors.UnexpectedAnswerError(
        f"{request.address} answered with {code}. Is it TensorFlow "
        f"Serving{_path(request.address)}?{said}",
        code,
    )


def too_large(what: str, batch_size: int) -> errors.MessageTooLargeError:
    """Returns the error for a message that does not fit.

    Args:
        what: str. The sentence that says what does not fit where.
        batch_size: int. The most images that fit.
    """
    advice = (
        _pass(batch_size)
        if batch_size
        else "Not one image fits: send smaller ones."
    )
    return errors.MessageTooLargeError(
        f"{what} {advice}", "RESOURCE_EXHAUSTED", batch_size
    )


def _pass(batch_size):
    return (
        f"Pass batch_size={batch_size}, or to the command --batch_size "
        f"{batch_size}."
    )


def _printable(words):
    # A terminal would obey what is behind an escape character.
    return "".join(
        letter
        if letter.isprintable()
        else letter.encode("unicode_escape").decode()
        for letter in words
    )


def _tried(failure, request):
    times = (
        "once"
        if failure.num_attempts == 1
        else (f"{failure.num_attempts} times")
    )
    return (
        f"It was asked {times}, within {request.timeout:g} seconds. Does it "
        "run, and listen there?"
    )


def _other_protocol(words):
    # The version of HTTP that gRPC speaks: somebody answers, in another one.
    if "HTTP/2" not in words and "http1" not in words:
        return ""
    return " Not gRPC is there. For REST write http:// in front."


def _there_is(model, versions):
    if versions is None:
        return ""
    if not versions:
        return (
            " It knows none of that name: see its `--model_name` or its "
            "model.config."
        )
    there = ", ".join(
        f"{version} ({state})" for version, state in versions.items()
    )
    return f" Of {model.name!r} it has the versions {there}."


def _fewer(num_images, words):
    numbers = _MESSAGE_TOO_LARGE.search(words)
    # Without numbers the half is a guess, and a fair one.
    sent, limit = map(int, numbers.groups()) if numbers else (2, 1)
    return min(num_images * limit // max(sent, 1), num_images - 1)


def _expected(request, words):
    too_many = _BATCH_TOO_LARGE.search(words)
    if too_many:
        return f" It takes fewer images at once. {_pass(too_many[1])}"
    if request.signature is None:
        return ""
    takes = ", ".join(
        f"{name}, {spec.dtype} {spec.shape}"
        for name, spec in request.signature.inputs.items()
    )
    return (
        f" Its signature {request.signature_name!r} takes {takes}. Sent: "
        f"{request.shape}."
    )


def _path(address):
    if address.protocol == "grpc":
        return ""
    return f", with {address.prefix or 'nothing'} before /v1"
