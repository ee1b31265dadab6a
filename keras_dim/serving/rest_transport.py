"""Requests by REST, which writes pixels as JSON. It needs no TensorFlow."""

import base64
import contextlib
import http.client
import json
import socket
import threading
import time
import urllib.parse

import numpy as np
import urllib3

from keras_dim.serving import errors
from keras_dim.serving import transport
from keras_dim.serving.address import Address

# gRPC's code for each HTTP status; 413 and 429 also come from proxies.
_CODES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    413: errors.MESSAGE_TOO_LARGE,
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_CONNECTIONS = {
    "http": urllib3.connection.HTTPConnection,
    "https": urllib3.connection.HTTPSConnection,
}
_ERRORS = (OSError, http.client.HTTPException, urllib3.exceptions.HTTPError)
_HEADERS = {"Content-Type": "application/json", "Connection": "close"}
_CHUNK_BYTES = 2**16
_LONGEST_QUOTE = 200


class RestTransport:
    """Requests by REST, without redirects.

    Each has a connection of its own, so that threads and forked processes
    share nothing. A pool of urllib3 does not tell its sockets, which are shut
    down when the time is over.
    """

    is_closed = False

    def __init__(self, address: Address, max_message_bytes: int):
        self._address = address
        self._max_message_bytes = max_message_bytes

    def predict(self, request, timeout):
        (input_name,) = request.signature.inputs
        body = {
            "signature_name": request.signature_name,
            # By columns: rows would repeat the name of the input.
            "inputs": {input_name: _to_json(request.images)},
        }
        path = f"{_path(request)}:predict"
        outputs = self._ask("POST", path, timeout, body).get("outputs")
        names = request.signature.outputs
        if len(names) == 1 and not isinstance(outputs, dict):
            # A single output comes without its name.
            outputs = dict.fromkeys(names, outputs)
        found = {}
        for name in request.features:
            # As by gRPC, a number too large for 32 bits is infinity.
            reading = transport.reading(f"feature {name!r}")
            with reading, np.errstate(over="ignore"):
                found[name] = np.asarray(outputs[name], "float32")
        return found

    def metadata(self, request, timeout):
        answer = self._ask("GET", f"{_path(request)}/metadata", timeout)
        return transport.parse_metadata(answer)

    def versions(self, request, timeout):
        path = f"/v1/models/{_quote(request.model)}"
        return transport.parse_versions(self._ask("GET", path, timeout))

    def close(self):
        # Every connection has been closed after its request.
        self.is_closed = True

    def _ask(self, method, path, timeout, body=None):
        status, reason, content = self._answer(method, path, body, timeout)
        answer = None
        # Deeply nested brackets exhaust the parser.
        with contextlib.suppress(ValueError, RecursionError):
            answer = json.loads(content)
        is_json = isinstance(answer, dict)
        if status == 200 and is_json:
            return answer
        code = _CODES.get(status, "UNKNOWN")
        if is_json and isinstance(answer.get("error"), str):
            raise errors.ServerError(answer["error"], code)
        if code == "NOT_FOUND":
            # Without JSON it comes from another server, which has no models.
            code = "UNIMPLEMENTED"
        text = content[:_LONGEST_QUOTE].decode("utf-8", "replace")
        raise errors.ServerError(f"HTTP status {status} {reason}. {text}", code)

    def _answer(self, method, path, body, timeout):
        """Returns the status, the reason and the content."""
        end = time.monotonic() + timeout
        if body is not None:
            body = json.dumps(body, separators=(",", ":")).encode()
            transport.check_size(len(body), self._max_message_bytes)
        connection = _CONNECTIONS[self._address.protocol](
            self._address.host,
            self._address.port,
            # Sockets take no 0.
            timeout=max(end - time.monotonic(), 1e-3),
        )
        url = f"{self._address.prefix}{path}"
        try:
            with contextlib.closing(connection):
                connection.connect()
                with _closed_at(end, connection.sock):
                    # A server may answer before it has read everything.
                    with contextlib.suppress(ConnectionError):
                        connection.request(
                            method, url, body, _HEADERS, preload_content=False
                        )
                    response = connection.getresponse()
                    content = self._read(response)
            if time.monotonic() >= end:
                # Content without a length ends where its socket is shut down.
                raise TimeoutError
        except errors.ServerError:
            raise
        except _ERRORS as error:
            cause = error.__cause__ or error
            if isinstance(cause, ConnectionRefusedError):
                failure = str(cause), "UNAVAILABLE"
            elif time.monotonic() >= end or isinstance(cause, TimeoutError):
                failure = "", "DEADLINE_EXCEEDED"
            else:
                reason = f"{type(cause).__name__}: {cause}"
                failure = reason, errors.CONNECTION_FAILED
            raise errors.ServerError(*failure) from error
        return response.status, response.reason, content

    def _read(self, response):
        content = bytearray()
        for chunk in response.stream(_CHUNK_BYTES):
            content += chunk
            size = len(content) + (response.length_remaining or 0)
            transport.check_size(size, self._max_message_bytes)
        return content


@contextlib.contextmanager
def _closed_at(end, opened):
    """Shuts a socket down when the time is over.

    The timeout of a socket begins anew with every byte that comes.
    """

    def shut_down():
        # `SSLSocket.shutdown` would end the decryption while another thread
        # reads. It fails where the server has closed the connection.
        with contextlib.suppress(OSError):
            socket.socket.shutdown(opened, socket.SHUT_RDWR)

    timer = threading.Timer(max(end - time.monotonic(), 0.0), shut_down)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()


def _path(request):
    path, version = f"/v1/models/{_quote(request.model)}", request.version
    if isinstance(version, str):
        return f"{path}/labels/{_quote(version)}"
    return path if version is None else f"{path}/versions/{version}"


def _quote(name):
    return urllib.parse.quote(name, safe="")


def _to_json(images):
    if isinstance(images, np.ndarray):
        return images.tolist()
    return [{"b64": base64.b64encode(image).decode()} for image in images]
