"""Requests by REST, with pixels as decimal numbers. It needs no TensorFlow."""

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

from keras_dim.serving import transport

# gRPC's code for each HTTP status; 413 and 429 also come from proxies.
_CODES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    413: "MESSAGE_TOO_LARGE",
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
    share nothing. urllib3's pools hide the sockets, which must be shut down
    when the time is over.
    """

    is_closed = False

    def __init__(
        self, address: urllib.parse.SplitResult, max_message_bytes: int
    ):
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
            with transport.reading(f"feature {name!r}"):
                # As by gRPC, a number too large for 32 bits becomes infinity.
                with np.errstate(over="ignore"):
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
        code = _CODES.get(status, "UNKNOWN")
        if isinstance(answer, dict):
            if status == 200:
                return answer
            if isinstance(answer.get("error"), str):
                raise transport.ServerError(answer["error"], code)
        if code == "NOT_FOUND":
            # TensorFlow Serving would have answered in JSON.
            code = "UNIMPLEMENTED"
        text = content[:_LONGEST_QUOTE].decode("utf-8", "replace")
        raise transport.ServerError(
            f"HTTP status {status} {reason}. {text}", code
        )

    def _answer(self, method, path, body, timeout):
        """Returns the status, the reason and the content."""
        end = time.monotonic() + timeout
        if body is not None:
            body = json.dumps(body, separators=(",", ":")).encode()
            transport.check_size(len(body), self._max_message_bytes)
        url = f"{self._address.path}{path}"
        content = bytearray()
        try:
            with _connected_until(end, self._address) as connection:
                # A server may answer before it has read everything.
                with contextlib.suppress(ConnectionError):
                    connection.request(
                        method, url, body, _HEADERS, preload_content=False
                    )
                response = connection.getresponse()
                for chunk in response.stream(_CHUNK_BYTES):
                    content += chunk
                    size = len(content) + (response.length_remaining or 0)
                    transport.check_size(size, self._max_message_bytes)
            if time.monotonic() >= end:
                # Content without a length ends where its socket is shut down.
                raise TimeoutError
        except transport.ServerError:
            raise
        except _ERRORS as error:
            cause = error.__cause__ or error
            message, code = str(cause), "CONNECTION_FAILED"
            if isinstance(cause, ConnectionRefusedError):
                code = "UNAVAILABLE"
            elif time.monotonic() >= end or isinstance(cause, TimeoutError):
                message, code = "", "DEADLINE_EXCEEDED"
            else:
                message = f"{type(cause).__name__}: {message}"
            raise transport.ServerError(message, code) from error
        return response.status, response.reason, content


@contextlib.contextmanager
def _connected_until(end, address):
    """Yields a connection, and shuts it down when the time is over.

    The timeout of a socket starts again with every byte that arrives.
    """
    # A timeout of 0 is an error.
    seconds = max(end - time.monotonic(), 1e-3)
    connection = _CONNECTIONS[address.scheme](
        address.hostname, address.port, timeout=seconds
    )
    with contextlib.closing(connection):
        connection.connect()
        opened = connection.sock

        def shut_down():
            # `SSLSocket.shutdown` would end the decryption while another
            # thread reads. An error: the server has closed the connection.
            with contextlib.suppress(OSError):
                socket.socket.shutdown(opened, socket.SHUT_RDWR)

        timer = threading.Timer(max(end - time.monotonic(), 0.0), shut_down)
        timer.daemon = True
        timer.start()
        try:
            yield connection
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
