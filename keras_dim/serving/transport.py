"""Requests, retries, and the JSON of answers, which gRPC and REST share.

`GrpcTransport` and `RestTransport` send requests to one server:

* `predict(request, timeout)` returns the features of the images, a dict of
  float32 arrays;
* `metadata(request, timeout)` the version, if known, and the signatures;
* `versions(request, timeout)` the state of each version of the model;
* `close()` closes the connections and makes `is_closed` true.

`timeout` is in seconds, and `max_message_bytes` the largest message to send or
receive. A request that fails raises a `ServerError` with its code and the
message of the server or the operating system.
"""

import contextlib
import dataclasses
import itertools
import math
import random
import time
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any

import numpy as np

from keras_dim.serving.errors import ServerError

# TensorFlow Serving and protobuf store sizes as signed 32-bit integers.
MAX_MESSAGE_BYTES = 2**31 - 1
_DTYPES = {"float": "float32", "double": "float64", "half": "float16"}


@dataclasses.dataclass(frozen=True)
class TensorSpec:
    """The dtype, NumPy's name or `"string"`, and the shape of a tensor.

    None is any size or, in place of the tuple, any shape.
    """

    dtype: str
    shape: tuple[int | None, ...] | None


@dataclasses.dataclass(frozen=True)
class Signature:
    """The inputs and the outputs (the features) of one function of a model."""

    inputs: dict[str, TensorSpec]
    outputs: dict[str, TensorSpec]


@dataclasses.dataclass(frozen=True)
class Request:
    """A request to a model: for its description or, with images, features.

    `version` is a number, a label, or None for the newest. `images` is the
    value of the signature's only input, an array or a list of bytes.
    `features` names the outputs to return.
    """

    model: str
    version: int | str | None = None
    signature_name: str = ""
    signature: Signature | None = None
    images: np.ndarray | list[bytes] = ()
    features: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the images."""
        return getattr(self.images, "shape", (len(self.images),))

    def __str__(self) -> str:
        if self.version is None:
            return repr(self.model)
        return f"{self.model!r} in version {self.version!r}"


@contextlib.contextmanager
def reading(part: str) -> Iterator[None]:
    """Raises a `ServerError` if the block cannot read a part of an answer."""
    try:
        yield
    except Exception as error:
        message = f"the {part} cannot be read: {error!r}"
        raise ServerError(message, "INTERNAL") from error


def check_size(num_bytes: int, limit: int) -> None:
    """Raises gRPC's error for a message above the limit."""
    if num_bytes > limit:
        message = f"CLIENT: message larger than max ({num_bytes} vs. {limit})"
        raise ServerError(message, "MESSAGE_TOO_LARGE")


def with_retries(
    attempt: Callable[[float], Any], timeout: float, max_retries: int | None
) -> Any:
    """Retries an attempt that is `UNAVAILABLE`, with exponential backoff.

    gRPC and urllib3 limit the number of retries; this one limits their time,
    `timeout` in seconds, and also their number, unless `max_retries` is None.
    `attempt` gets the seconds that are left. Raises the last error, or if that
    is a timeout the one before it.
    """
    end = time.monotonic() + timeout
    most = math.inf if max_retries is None else max_retries
    last, wait = None, 0.1
    for num_attempts in itertools.count(1):
        try:
            return attempt(end - time.monotonic())
        except ServerError as failure:
            is_late = failure.code == "DEADLINE_EXCEEDED"
            last = last if last and is_late else failure
        last.num_attempts = num_attempts
        # Random, so that clients do not all retry at once.
        seconds = wait * random.uniform(0.5, 1.0)
        is_over = is_late or time.monotonic() + seconds >= end
        if last.code != "UNAVAILABLE" or num_attempts > most or is_over:
            raise last from last.__cause__
        time.sleep(seconds)
        wait = min(2 * wait, 5.0)


def parse_metadata(
    answer: Mapping[str, Any],
) -> tuple[int | None, dict[str, Signature]]:
    """Parses REST's JSON of a `GetModelMetadataResponse`."""
    with reading("metadata"):
        version = answer.get("model_spec", {}).get("version")
        signatures = answer["metadata"]["signature_def"]["signature_def"]
        # JSON has 64-bit integers as strings.
        return None if version is None else int(version), {
            name: Signature(
                _specs(signature.get("inputs", {})),
                _specs(signature.get("outputs", {})),
            )
            for name, signature in signatures.items()
        }


def parse_versions(answer: Mapping[str, Any]) -> dict[int, str]:
    """Parses REST's JSON of a `GetModelStatusResponse`."""
    with reading("status"):
        return {
            int(status.get("version", 0)): str(status["state"])
            for status in answer["model_version_status"]
        }


def _specs(infos):
    specs = {}
    for name, info in infos.items():
        # The JSON made from gRPC's messages leaves zeros out.
        dtype = str(info.get("dtype", "")).removeprefix("DT_").lower()
        shape = info.get("tensor_shape", {})
        sizes = [int(dim.get("size", 0)) for dim in shape.get("dim", [])]
        specs[name] = TensorSpec(
            _DTYPES.get(dtype, dtype),
            None
            if shape.get("unknown_rank")
            else tuple(size if size >= 0 else None for size in sizes),
        )
    return specs
