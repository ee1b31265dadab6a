"""What gRPC and REST share: one request at a time, and its answer."""

import abc
import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

# The largest message of TensorFlow Serving and of protobuf, whose sizes are
# signed numbers of 32 bits.
MAX_MESSAGE_BYTES = 2**31 - 1
# Two codes of our own beside gRPC's. The connection could not be opened, or
# broke, in a way that a retry does not mend.
CONNECTION_FAILED = "CONNECTION_FAILED"
# gRPC has RESOURCE_EXHAUSTED for it, which also stands for a lack of memory.
MESSAGE_TOO_LARGE = "MESSAGE_TOO_LARGE"
# Errors of reading JSON that has another form than expected. OverflowError:
# Python's JSON has infinity.
MALFORMED = (AttributeError, KeyError, OverflowError, TypeError, ValueError)

_DTYPES = {"float": "float32", "double": "float64", "half": "float16"}


@dataclasses.dataclass(frozen=True)
class TensorSpec:
    """The dtype and the shape of an input or an output.

    Args:
        dtype: str. NumPy's name, or `"string"`.
        shape: tuple or None. An entry of None stands for any size, None
            instead of the tuple for any shape.
    """

    dtype: str
    shape: tuple[int | None, ...] | None


@dataclasses.dataclass(frozen=True)
class Signature:
    """The inputs and outputs of one function of a model.

    Args:
        inputs: dict of `TensorSpec`.
        outputs: dict of `TensorSpec`. The features.
    """

    inputs: dict[str, TensorSpec]
    outputs: dict[str, TensorSpec]


@dataclasses.dataclass(frozen=True)
class Metadata:
    """The signatures of a model, and the version that has them, if known."""

    version: int | None
    signatures: dict[str, Signature]


@dataclasses.dataclass(frozen=True)
class ModelName:
    """The name of a model. Without version and label, the newest version."""

    name: str
    version: int | None = None
    label: str | None = None

    def __str__(self) -> str:
        if self.version is not None:
            return f"{self.name!r} in version {self.version}"
        if self.label is not None:
            return f"{self.name!r} with the label {self.label!r}"
        return repr(self.name)


@dataclasses.dataclass(frozen=True)
class Request:
    """A request to a model: for its description or, with images, features.

    Args:
        model: `ModelName`.
        signature_name: str. Defaults to `""`.
        signature: `Signature` or None. It has one input.
        images: array of uint8, list of bytes, or None. That input.
        features: tuple of str. The wanted outputs.
    """

    model: ModelName
    signature_name: str = ""
    signature: Signature | None = None
    images: np.ndarray | list[bytes] | None = None
    features: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the images; `()` without any."""
        if isinstance(self.images, np.ndarray):
            return self.images.shape
        return () if self.images is None else (len(self.images),)


class Failure(Exception):
    """A request failed. The client turns it into a `ServerError`.

    Args:
        code: str. A status code of gRPC, `CONNECTION_FAILED` or
            `MESSAGE_TOO_LARGE`.
        message: str. The server's or the operating system's own words.
    """

    def __init__(self, code: str, message: str):
        super().__init__(message)
        self.code = code
        self.num_attempts = 1


class Transport(abc.ABC):
    """Requests to one server. They raise `Failure`; `timeout` is seconds."""

    @abc.abstractmethod
    def predict(
        self, request: Request, timeout: float
    ) -> dict[str, np.ndarray]:
        """Returns the features of the images."""

    @abc.abstractmethod
    def metadata(self, request: Request, timeout: float) -> Metadata:
        """Returns the signatures of the model."""

    @abc.abstractmethod
    def versions(self, request: Request, timeout: float) -> dict[int, str]:
        """Returns the state of each version of the model."""

    @abc.abstractmethod
    def bytes_per_image(self, images: np.ndarray | list[bytes]) -> int:
        """Returns the most bytes that one of the images has in a message."""

    @abc.abstractmethod
    def close(self) -> None:
        """Closes the connections."""


def parse_metadata(answer: Mapping[str, Any]) -> Metadata:
    """Reads `GetModelMetadataResponse` in JSON, as REST gives it."""
    try:
        found = answer["metadata"]["signature_def"]["signature_def"]
        version = answer.get("model_spec", {}).get("version")
        return Metadata(
            # Integers of 64 bits are written as strings.
            None if version is None else int(version),
            {
                name: Signature(
                    _specs(signature.get("inputs", {})),
                    _specs(signature.get("outputs", {})),
                )
                for name, signature in found.items()
            },
        )
    except MALFORMED as error:
        raise Failure("INTERNAL", "the metadata have no signatures") from error


def parse_versions(answer: Mapping[str, Any]) -> dict[int, str]:
    """Reads `GetModelStatusResponse` in JSON, as REST gives it."""
    try:
        return {
            int(status.get("version", 0)): str(status["state"])
            for status in answer["model_version_status"]
        }
    except MALFORMED as error:
        raise Failure("INTERNAL", "the status has no versions") from error


def _specs(infos):
    return {name: _spec(info) for name, info in infos.items()}


def _spec(info):
    # gRPC's own JSON leaves zeros out.
    dtype = str(info.get("dtype", "DT_INVALID")).removeprefix("DT_").lower()
    shape = info.get("tensor_shape", {})
    sizes = [int(dim.get("size", 0)) for dim in shape.get("dim", [])]
    any_shape = shape.get("unknown_rank")
    return TensorSpec(
        _DTYPES.get(dtype, dtype),
        None if any_shape else tuple(s if s >= 0 else None for s in sizes),
    )
