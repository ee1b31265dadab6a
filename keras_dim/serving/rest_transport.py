"""Requests by REST, which writes pixels as JSON. It needs no TensorFlow."""

import base64
import contextlib
import contextvars
import json
import math
import os
import socket
import threading
import time
import urllib.parse

import numpy as np
import urllib3

from keras_dim.serving.address import Address
from keras_dim.serving.transport import CONNECTION_FAILED
from keras_dim.serving.transport import MESSAGE_TOO_LARGE
from keras_dim.serving.transport import Failure
from keras_dim.serving.transport import Transport
from keras_dim.serving.transport import parse_metadata
from keras_dim.serving.transport import parse_versions

# gRPC's code for each HTTP status; 413 and 429 also come from proxies.
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
_HEADERS = {"Accept": "application/json", "Content-Type": "application/json"}
_CHUNK_BYTES = 2**16
_LONGEST_QUOTE = 200
# Where a server closes an idle connection just as a request goes out, the
# request fails as if the server had died. Servers keep them longer than this.
LONGEST_IDLE_SECONDS = 1.0
# Threads beyond this number open a connection for each request.
_MAX_IDLE_CONNECTIONS = 16


class RestTransport(Transport):
    """Requests by REST.

    Pixels are sent as decimal numbers, up to four bytes to each: gRPC sends a
    quarter of that. Connections are kept for the next request. Redirects are
    not followed.

    Args:
        address: `Address` of the protocol `"http"` or `"https"`.
        max_message_bytes: int. The largest answer to receive.
    """

    def __init__(self, address: Address, max_message_bytes: int):
        self._prefix = address.prefix
        self._max_message_bytes = max_message_bytes
        pool, connection = _POOLS[address.protocol]
        is_ipv6 = ":" in address.host
        self._pool = pool(
            # urllib3 itself needs the package idna for other alphabets.
            address.host if is_ipv6 else address.host.encode("idna").decode(),
            address.port,
            maxsize=_MAX_IDLE_CONNECTIONS,
        )
        self._pool.ConnectionCls = connection

    def predict(self, request, timeout):
        (input_name,) = request.signature.inputs
        body = {
            "signature_name": request.signature_name,
            # By columns: rows would repeat the name of the input.
            "inputs": {input_name: _to_json(request.images)},
        }
        path = f"{self._path_of_version(request.model)}:predict"
        outputs = self._ask("POST", path, timeout, body).get("outputs")
        if not isinstance(outputs, dict):
            names = request.signature.outputs
            # A single output comes without its name.
            if len(names) != 1 or outputs is None:
                raise Failure("INTERNAL", "the answer has no named outputs")
            outputs = dict.fromkeys(names, outputs)
        return {
            name: _to_array(name, outputs[name])
            for name in request.features
            if name in outputs
        }

    def metadata(self, request, timeout):
        path = f"{self._path_of_version(request.model)}/metadata"
        return parse_metadata(self._ask("GET", path, timeout))

    def versions(self, request, timeout):
        return parse_versions(
            self._ask("GET", self._path(request.model), timeout)
        )

    def bytes_per_image(self, images):
        if isinstance(images, np.ndarray):
            shape = images.shape[1:]
            # Three digits and a comma to a number. A list, be it an image, a
            # row or a pixel, has two brackets, and a comma after it.
            lists = sum(math.prod(shape[:axis]) for axis in range(len(shape)))
            return 4 * math.prod(shape) + 2 * lists
        # base64 writes three bytes as four; {"b64":""}, around it.
        return 4 * math.ceil(max(map(len, images)) / 3) + 11

    def close(self):
        self._pool.close()

    def _path(self, model):
        return f"{self._prefix}/v1/models/{_quote(model.name)}"

    def _path_of_version(self, model):
        if model.version is not None:
            return f"{self._path(model)}/versions/{model.version}"
        if model.label is not None:
            return f"{self._path(model)}/labels/{_quote(model.label)}"
        return self._path(model)

    def _ask(self, method, path, timeout, body=None):
        status, reason, content = self._answer(method, path, body, timeout)
        try:
            answer = json.loads(content)
        except (ValueError, RecursionError):
            # Deeply nested brackets exhaust the parser.
            answer = None
        if status == 200 and isinstance(answer, dict):
            return answer
        code = _CODES.get(status, "UNKNOWN")
        if isinstance(answer, dict) and isinstance(answer.get("error"), str):
            raise Failure(code, answer["error"])
        # A 404 of another server, without JSON, means no missing model.
        quote = content.decode("utf-8", "replace").strip()[:_LONGEST_QUOTE]
        raise Failure(
            "UNIMPLEMENTED" if code == "NOT_FOUND" else code,
            f"HTTP status {status} {reason}, {quote!r}",
        )

    def _answer(self, method, path, body, timeout):
        with _TimeLimit(timeout) as limit:
            if body is not None:
                body = json.dumps(body, separators=(",", ":")).encode()
            try:
                response = self._pool.urlopen(
                    method,
                    path,
                    body,
                    _HEADERS,
                    timeout=urllib3.Timeout(total=limit.seconds_left),
                    # `retrying` does it, alike for gRPC.
                    retries=False,
                    redirect=False,
                    preload_content=False,
                )
                content = self._read(response)
            except urllib3.exceptions.ClosedPoolError as error:
                raise ValueError("The client has been closed.") from error
            except urllib3.exceptions.HTTPError as error:
                raise _failure(error, limit.is_over) from error
        if limit.is_over:
            # An answer without a length ends where its socket is shut down.
            raise Failure("DEADLINE_EXCEEDED", "")
        return response.status, response.reason, content

    def _read(self, response):
        content = bytearray()
        for chunk in response.stream(_CHUNK_BYTES):
            content += chunk
            if len(content) > self._max_message_bytes:
                response.close()
                size = len(content) + (response.length_remaining or 0)
                raise Failure(
                    MESSAGE_TOO_LARGE,
                    "CLIENT: Received message larger than max "
                    f"({size} vs. {self._max_message_bytes})",
                )
        return bytes(content)


class _TimeLimit:
    """Shuts down the socket of this thread's request when its time is over.

    The timeout of a socket begins anew with every byte that comes, be it of a
    header, of the body, or of the answers that may go before the answer.
    """

    current = contextvars.ContextVar("current")

    def __init__(self, seconds: float):
        self.is_over = False
        self._end = time.monotonic() + seconds
        self._socket = None
        self._timer = threading.Timer(seconds, self._shut_down)
        self._timer.daemon = True

    @property
    def seconds_left(self):
        # urllib3 takes no 0.
        return max(self._end - time.monotonic(), 1e-3)

    def __enter__(self):
        self.current.set(self)
        self._timer.start()
        return self

    def __exit__(self, *exception):
        self._timer.cancel()
        self._timer.join()

    def watch(self, opened: socket.socket):
        self._socket = opened
        if self.is_over:
            self._shut_down()

    def _shut_down(self):
        self.is_over = True
        if self._socket is not None:
            # An encrypted socket's own method would take the decryption from
            # under the thread that reads. The server may have been first.
            with contextlib.suppress(OSError):
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


class _Connection:
    """A connection with a time limit, which is reused by its process alone."""

    _last_request = -math.inf
    _process = None

    @property
    def is_connected(self):
        """Whether the pool may use it again; else it opens it anew."""
        idle = time.monotonic() - self._last_request
        # After a fork, two processes would read each other's answers.
        is_own = self._process == os.getpid()
        return super().is_connected and is_own and idle < LONGEST_IDLE_SECONDS

    def request(self, *arguments, **keywords):
        if self.is_closed:
            self.connect()
        self._last_request = time.monotonic()
        self._process = os.getpid()
        _TimeLimit.current.get().watch(self.sock)
        super().request(*arguments, **keywords)


class _HttpConnection(_Connection, urllib3.connection.HTTPConnection):
    pass


class _HttpsConnection(_Connection, urllib3.connection.HTTPSConnection):
    pass


_POOLS = {
    "http": (urllib3.HTTPConnectionPool, _HttpConnection),
    "https": (urllib3.HTTPSConnectionPool, _HttpsConnection),
}


def _failure(error: urllib3.exceptions.HTTPError, is_over: bool) -> Failure:
    wrapped = [arg for arg in error.args if isinstance(arg, Exception)]
    cause = error.__cause__ or (wrapped or [error])[-1]
    if isinstance(cause, ConnectionRefusedError):
        return Failure("UNAVAILABLE", str(cause))
    timeouts = (TimeoutError, urllib3.exceptions.ReadTimeoutError)
    if is_over or isinstance(cause, timeouts):
        return Failure("DEADLINE_EXCEEDED", "")
    return Failure(CONNECTION_FAILED, f"{type(cause).__name__}: {cause}")


def _quote(name):
    return urllib.parse.quote(name, safe="")


def _to_json(images):
    if isinstance(images, np.ndarray):
        return images.tolist()
    return [{"b64": base64.b64encode(image).decode()} for image in images]


def _to_array(name, value):
    try:
        # As by gRPC, a number too large for 32 bits is infinity.
        with np.errstate(over="ignore"):
            return np.asarray(value, "float32")
    except (OverflowError, TypeError, ValueError) as error:
        raise Failure(
            "INTERNAL", f"the feature {name!r} is no array of numbers"
        ) from error
