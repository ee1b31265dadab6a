"""Turns the failure of a request into an error that says how to mend it."""

import re
from collections.abc import Mapping

from keras_dim.serving import errors
from keras_dim.serving.address import Address
from keras_dim.serving.transport import CONNECTION_FAILED
from keras_dim.serving.transport import MESSAGE_TOO_LARGE
from keras_dim.serving.transport import Failure
from keras_dim.serving.transport import Request

_MODEL_GONE = "MODEL_GONE"
_REFUSED = (
    errors.RequestRefusedError,
    "{address} refused the request to the model {model}.{expected}",
)
# The error for each code, and its sentences, which `explain` completes.
_ERRORS = {
    "UNAVAILABLE": (
        errors.UnavailableError,
        "{address} is not available. It was asked {times} within {timeout:g} "
        "seconds. Does a server run and listen there?{other_protocol}",
    ),
    CONNECTION_FAILED: (
        errors.UnavailableError,
        "The connection to {address} failed. Does REST listen there? "
        "TensorFlow Serving's default port for it is 8501.",
    ),
    "DEADLINE_EXCEEDED": (
        errors.ServerDeadlineError,
        "{address} did not answer within {timeout:g} seconds. Raise "
        "`timeout`, or lower `batch_size`.",
    ),
    "NOT_FOUND": (
        errors.ModelNotFoundError,
        "{address} does not serve the model {model}. Check its name and "
        "version.{versions}",
    ),
    _MODEL_GONE: (
        errors.ModelNotFoundError,
        "{address} does not serve the model {model} any more. It did when the "
        "first images were sent, and features of two versions must not be "
        "mixed. Embed all images again, or have the server keep the version."
        "{versions}",
    ),
    "RESOURCE_EXHAUSTED": (
        errors.UnavailableError,
        "{address} has no resources left for the request. Ask later, or lower "
        "`batch_size`.",
    ),
    "INVALID_ARGUMENT": _REFUSED,
    "FAILED_PRECONDITION": _REFUSED,
    "OUT_OF_RANGE": _REFUSED,
}
_UNEXPECTED = (
    errors.UnexpectedAnswerError,
    "{address} answered with {code}. Is it TensorFlow Serving{prefix}?",
)
# Messages of TensorFlow Serving and of gRPC, with their numbers.
_BATCH_TOO_LARGE = re.compile(r"larger than maximum input batch size (\d+)")
_MESSAGE_TOO_LARGE = re.compile(r"larger than max \((\d+) vs\. (\d+)\)")
# The first words of a server help; a trace through its graph does not.
_LONGEST_QUOTE = 500


def explain(
    failure: Failure,
    request: Request,
    address: Address,
    timeout: float,
    versions: Mapping[int, str] | None = None,
) -> errors.ServerError:
    """Returns the error to raise for a failure.

    Args:
        failure: `Failure`.
        request: `Request`. The request that failed.
        address: `Address`. Of the server.
        timeout: float. The seconds that it had.
        versions: mapping or None. For `NOT_FOUND`, the state of each version
            of the model on the server. Defaults to None, not known.

    Returns:
        An error of `keras_dim.serving.errors`.
    """
    words = _printable(" ".join(str(failure).split()))
    if len(words) > _LONGEST_QUOTE:
        words = f"{words[:_LONGEST_QUOTE]}..."
    code = failure.code
    label = "reason" if code == CONNECTION_FAILED else "answer"
    quote = f" The {label}: {words}" if words else ""
    if code == "RESOURCE_EXHAUSTED" and _MESSAGE_TOO_LARGE.search(words):
        code = MESSAGE_TOO_LARGE
    if code == MESSAGE_TOO_LARGE and request.shape:
        num_images = request.shape[0]
        return too_large(
            f"A message of {num_images} images is too large for {address}."
            f"{quote}",
            _fewer(num_images, words),
        )
    # Before images are sent, the server has described the model.
    is_gone = code == "NOT_FOUND" and request.shape
    error, sentences = _ERRORS.get(
        _MODEL_GONE if is_gone else code, _UNEXPECTED
    )
    code = "RESOURCE_EXHAUSTED" if code == MESSAGE_TOO_LARGE else code
    attempts = failure.num_attempts
    message = sentences.format(
        address=address,
        code=code,
        expected=_expected(request, words),
        model=request.model,
        other_protocol=_other_protocol(words),
        prefix=_prefix(address),
        timeout=timeout,
        times="once" if attempts == 1 else f"{attempts} times",
        versions=_versions(request.model.name, versions),
    )
    return error(f"{message}{quote}", code)


def too_large(reason: str, batch_size: int) -> errors.MessageTooLargeError:
    """Returns the error for a message that is too large.

    Args:
        reason: str. A sentence that says which one, and for whom.
        batch_size: int. The most images that fit.
    """
    advice = (
        _pass(batch_size)
        if batch_size
        else "Not one image fits: send smaller images."
    )
    return errors.MessageTooLargeError(
        f"{reason} {advice}", "RESOURCE_EXHAUSTED", batch_size
    )


def _pass(batch_size):
    return (
        f"Pass batch_size={batch_size}, or to the command --batch_size "
        f"{batch_size}."
    )


def _printable(words):
    # An escape character would give a terminal orders.
    return "".join(
        letter
        if letter.isprintable()
        else letter.encode("unicode_escape").decode()
        for letter in words
    )


def _other_protocol(words):
    # A server of HTTP/1 does not understand gRPC's HTTP/2.
    if "HTTP/2" not in words and "http1" not in words:
        return ""
    return " It does not speak gRPC. For REST write http:// in front."


def _prefix(address):
    if address.protocol == "grpc":
        return ""
    return f", with {address.prefix or 'nothing'} before /v1"


def _versions(name, versions):
    if versions is None:
        return ""
    if not versions:
        return (
            " It knows none of that name: see its `--model_name` or its "
            "model.config."
        )
    states = ", ".join(f"{key} ({state})" for key, state in versions.items())
    return f" Of {name!r} it has the versions {states}."


def _fewer(num_images, words):
    """Returns how many images fit, by the sizes that the server names."""
    sizes = _MESSAGE_TOO_LARGE.search(words)
    # Without sizes, half of the images are a guess.
    size, limit = map(int, sizes.groups()) if sizes else (2, 1)
    return min(num_images * limit // max(size, 1), num_images - 1)


def _expected(request, words):
    too_many = _BATCH_TOO_LARGE.search(words)
    if too_many:
        return f" It takes fewer images at once. {_pass(too_many[1])}"
    if request.signature is None:
        return ""
    inputs = ", ".join(
        f"{name}, {spec.dtype} {spec.shape}"
        for name, spec in request.signature.inputs.items()
    )
    return (
        f" Its signature {request.signature_name!r} takes {inputs}. Sent: "
        f"{request.shape}."
    )
