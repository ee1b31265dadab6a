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
    """A server's description of a model.

    Args:
        version: int or None. The version that is described; None where the
            server does not name it.
        signatures: dict of `Signature` by name.
    """

    version: int | None
    signatures: dict[str, Signature]


@dataclasses.dataclass(frozen=True)
class ModelName:
    """The name of a model on a server, with at most one of version and label.

    Args:
        name: str.
        version: int or None. Defaults to None, the newest.
        label: str or None. The label of a version. Defaults to None.
    """

    name: str
    version: int | None = None
    label: str | None = None

    def __str__(self) -> str:
        if self.version is not None:
            return f"{self.name!r} in version {self.version}"
        if self.label is not None:
            return f"{self.name!r} with the label {self.label!r}"
        return repr(self.name)


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
        self,
        model: ModelName,
        signature_name: str,
        signature: Signature,
        values: np.ndarray | list[bytes],
        features: tuple[str, ...],
        timeout: float,
    ) -> dict[str, np.ndarray]:
        """Returns the wanted features of a batch for the only input."""

    @abc.abstractmethod
    def metadata(self, model: ModelName, timeout: float) -> Metadata:
        """Returns the signatures of a model."""

    @abc.abstractmethod
    def versions(self, model: ModelName, timeout: float) -> dict[int, str]:
        """Returns the state of each version of the model of that name."""

    @abc.abstractmethod
    def bytes_per_row(self, values: np.ndarray | list[bytes]) -> int:
        """Returns the most bytes that one row of a batch has in a message."""

    @abc.abstractmethod
    def close(self) -> None:
        """Closes the connections."""


def parse_metadata(answer: Mapping[str, Any]) -> Metadata:
    """Reads metadata from the JSON form of protobuf.

    Args:
        answer: mapping. A `GetModelMetadataResponse`, as REST gives it.

    Raises:
        Failure: for anything else.
    """
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
    # An OverflowError for infinity, which Python's JSON has.
    except (
        AttributeError,
        KeyError,
        OverflowError,
        TypeError,
        ValueError,
    ) as error:
        raise Failure("INTERNAL", "the metadata have no signatures") from error


def _specs(infos):
    return {name: _spec(info) for name, info in infos.items()}


def _spec(info):
    dtype = str(info["dtype"]).removeprefix("DT_").lower()
    shape = info["tensor_shape"]
    # Zeros are left out.
    sizes = [int(dim.get("size", 0)) for dim in shape.get("dim", [])]
    return TensorSpec(
        _DTYPES.get(dtype, dtype),
        None
        if shape.get("unknown_rank")
        else tuple(None if size < 0 else size for size in sizes),
    )
