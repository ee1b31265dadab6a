"""Models on a server by REST, with Python's own library alone."""

import base64
import contextlib
import http.client
import json
import math
import socket
import ssl
import threading
import time
import urllib.parse
from collections.abc import Iterator

import numpy as np

from keras_dim.serving.address import Address
from keras_dim.serving.transport import CONNECTION_FAILED
from keras_dim.serving.transport import MESSAGE_TOO_LARGE
from keras_dim.serving.transport import Failure
from keras_dim.serving.transport import Metadata
from keras_dim.serving.transport import Signature
from keras_dim.serving.transport import TensorSpec
from keras_dim.serving.transport import Transport
from keras_dim.serving.transport import dtype_name

# The status that each HTTP status stands for; 413 and 429 come from proxies and
# from the server itself.
_CODES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    413: MESSAGE_TOO_LARGE,
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
# Python's JSON has numbers of any length, and an infinite one.
_NO_NUMBER = (ValueError, OverflowError)
_CHUNK_BYTES = 2**16
_LONGEST_QUOTE = 200


class RestTransport(Transport):
    """Models on a server by REST.

    Pixels are sent as the decimal numbers that JSON has, up to four bytes to
    each: gRPC sends a quarter of that.

    Args:
        address: `Address` of the protocol `"http"` or `"https"`.
        max_message_bytes: int. The most that is received.
    """

    def __init__(self, address: Address, max_message_bytes: int):
        self._address = address
        self._max_message_bytes = max_message_bytes

    def predict(
        self, model, signature_name, signature, values, features, timeout
    ):
        (input_name,) = signature.inputs
        body = {
            "signature_name": signature_name,
            # By columns: rows would repeat the name of the input.
            "inputs": {input_name: _to_json(values)},
        }
        path = f"{self._path_of_version(model)}:predict"
        answer = self._ask("POST", path, timeout, body)
        outputs = answer.get("outputs")
        if not isinstance(outputs, dict):
            # A single output comes without its name.
            if len(signature.outputs) != 1 or outputs is None:
                raise Failure("INTERNAL", "the answer has no named outputs")
            outputs = dict.fromkeys(signature.outputs, outputs)
        return {
            name: _to_array(name, outputs[name])
            for name in features
            if name in outputs
        }

    def metadata(self, model, timeout):
        path = f"{self._path_of_version(model)}/metadata"
        answer = self._ask("GET", path, timeout)
        try:
            found = answer["metadata"]["signature_def"]["signature_def"]
            version = answer.get("model_spec", {}).get("version")
            return Metadata(
                # Of 64 bits, which the JSON of protobuf writes as text.
                None if version is None else int(version),
                {
                    name: Signature(
                        _specs(signature.get("inputs", {})),
                        _specs(signature.get("outputs", {})),
                    )
                    for name, signature in found.items()
                },
            )
        except (AttributeError, KeyError, TypeError, *_NO_NUMBER) as error:
            raise Failure(
                "INTERNAL", "the metadata have no signatures"
            ) from error

    def versions(self, model, timeout):
        answer = self._ask("GET", self._path(model), timeout)
        try:
            return {
                int(status["version"]): str(status["state"])
                for status in answer["model_version_status"]
            }
        except (KeyError, TypeError, *_NO_NUMBER) as error:
            raise Failure("INTERNAL", "the status has no versions") from error

    def bytes_per_row(self, values):
        if isinstance(values, np.ndarray):
            shape = values.shape[1:]
            # Three digits and a comma to a number. Lists, which an image, its
            # rows and its pixels are, have two brackets and a comma, and one
            # comma less between what they hold.
            lists = sum(math.prod(shape[:axis]) for axis in range(len(shape)))
            return 4 * math.prod(shape) + 2 * lists
        # base64 writes three bytes as four; {"b64":""}, around it.
        return 4 * math.ceil(max(map(len, values)) / 3) + 11

    def close(self):
        # Each request has a connection of its own: there is none to be found
        # closed by the other side, nor to be shared by threads.
        pass

    def _path(self, model):
        return f"{self._address.prefix}/v1/models/{_quote(model.name)}"

    def _path_of_version(self, model):
        if model.version is not None:
            return f"{self._path(model)}/versions/{model.version}"
        if model.label is not None:
            return f"{self._path(model)}/labels/{_quote(model.label)}"
        return self._path(model)

    def _ask(self, method, path, timeout, body=None):
        end = time.monotonic() + timeout
        status, reason, content = self._answer(method, path, body, end)
        try:
            answer = json.loads(content)
        except (ValueError, RecursionError):
            # Brackets in brackets exhaust the parser.
            answer = None
        if status == http.client.OK and isinstance(answer, dict):
            return answer
        if isinstance(answer, dict) and isinstance(answer.get("error"), str):
            code = _CODES.get(status, "UNKNOWN")
            raise Failure(code, answer["error"])
        quote = content.decode("utf-8", "replace").strip()
        # What is no JSON is of somebody else, who knows nothing of models.
        code = _CODES.get(status, "UNKNOWN")
        raise Failure(
            "UNIMPLEMENTED" if code == "NOT_FOUND" else code,
            f"HTTP status {status} {reason}, {quote[:_LONGEST_QUOTE]!r}",
        )

    def _answer(self, method, path, body, end):
        headers = {"Accept": "application/json"}
        content = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            content = json.dumps(body, separators=(",", ":")).encode()
        try:
            with contextlib.closing(self._connection(end)) as connection:
                connection.connect()
                with _time_limit(connection.sock, end):
                    # A server may answer, and close, before it has read all:
                    # that a request is too large shows at its head.
                    with contextlib.suppress(ConnectionError):
                        connection.request(method, path, content, headers)
                    response = connection.getresponse()
                    content = self._read(response)
                return response.status, response.reason, content
        except TimeoutError as error:
            raise Failure("DEADLINE_EXCEEDED", "") from error
        except ConnectionRefusedError as error:
            raise Failure("UNAVAILABLE", str(error)) from error
        except (OSError, http.client.HTTPException) as error:
            raise Failure(
                CONNECTION_FAILED, f"{type(error).__name__}: {error}"
            ) from error

    def _connection(self, end):
        host, port = self._address.host, self._address.port
        if self._address.protocol == "https":
            return http.client.HTTPSConnection(
                host,
                port,
                timeout=_left(end),
                context=ssl.create_default_context(),
            )
        return http.client.HTTPConnection(host, port, timeout=_left(end))

    def _read(self, response: http.client.HTTPResponse) -> bytes:
        chunks = []
        num_bytes = 0
        while chunk := response.read1(_CHUNK_BYTES):
            chunks.append(chunk)
            num_bytes += len(chunk)
            if num_bytes > self._max_message_bytes:
                raise Failure(
                    MESSAGE_TOO_LARGE,
                    "CLIENT: Received message larger than max "
                    f"({num_bytes + (response.length or 0)} vs. "
                    f"{self._max_message_bytes})",
                )
        if response.length:
            raise http.client.IncompleteRead(b"".join(chunks), response.length)
        return b"".join(chunks)


@contextlib.contextmanager
def _time_limit(stream: socket.socket, end: float) -> Iterator[None]:
    """Shuts a connection when time is up, whatever it is used for then.

    A socket's own timeout begins anew with every byte that comes, be it of
    headers or of the answers that may go before the answer.

    Args:
        stream: socket.
        end: float. As `time.monotonic` counts.

    Raises:
        TimeoutError: when time was up before the block was left.
    """
    is_up = threading.Event()

    def shut():
        is_up.set()
        with contextlib.suppress(OSError):
            # What an encrypted one does first would pull the decryption away
            # from under the thread that reads.
            socket.socket.shutdown(stream, socket.SHUT_RDWR)

    timer = threading.Timer(_left(end), shut)
    timer.daemon = True
    timer.start()
    try:
        yield
    except (OSError, http.client.HTTPException) as error:
        if is_up.is_set():
            raise TimeoutError("time is up") from error
        raise
    finally:
        timer.cancel()
        timer.join()
    # Half an answer may have passed for one.
    if is_up.is_set():
        raise TimeoutError("time is up")


def _left(end):
    seconds = end - time.monotonic()
    if seconds <= 0:
        raise TimeoutError("time is up")
    return seconds


def _quote(name):
    return urllib.parse.quote(name, safe="")


def _to_json(values):
    if isinstance(values, np.ndarray):
        return values.tolist()
    return [{"b64": base64.b64encode(value).decode()} for value in values]


def _to_array(name, value):
    try:
        # Beyond the largest number of 32 bits is infinity, as elsewhere.
        with np.errstate(over="ignore"):
            return np.asarray(value, "float32")
    except (TypeError, *_NO_NUMBER) as error:
        raise Failure(
            "INTERNAL", f"the feature {name!r} is no array of numbers"
        ) from error


def _specs(infos):
    return {name: _spec(info) for name, info in infos.items()}


def _spec(info):
    shape = info["tensor_shape"]
    # Sizes are numbers of 64 bits, which the JSON of protobuf writes as text.
    sizes = [int(dim["size"]) for dim in shape.get("dim", [])]
    return TensorSpec(
        dtype_name(info["dtype"]),
        None
        if shape.get("unknown_rank")
        else tuple(None if size < 0 else size for size in sizes),
    )
