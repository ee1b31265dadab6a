"""Where a server listens, and whether it is spoken to by gRPC or by REST."""

import dataclasses
import ipaddress
import re
import urllib.parse
from typing import Any

_PORTS = {"http": 80, "https": 443}
_LAST_PORT = 65535
# host:port or [address]:port, and nothing beside.
_HOST_AND_PORT = re.compile(
    r"(?:\[(?P<address>[^\[\]]+)\]|(?P<host>[^\[\]:/@?#]+)):(?P<port>[0-9]+)"
)


@dataclasses.dataclass(frozen=True)
class Address:
    """Where a server listens.

    Args:
        protocol: str. `"grpc"`, `"http"` or `"https"`.
        host: str. A name or an address, an IPv6 address without brackets.
        port: int.
        prefix: str. What stands in a URL between the port and `/v1/models`,
            `""` or such as `"/team/serving"`. Defaults to `""`.
    """

    protocol: str
    host: str
    port: int
    prefix: str = ""

    @property
    def host_and_port(self) -> str:
        """`host:port`, an IPv6 address in brackets."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    def __str__(self) -> str:
        if self.protocol == "grpc":
            return self.host_and_port
        return f"{self.protocol}://{self.host_and_port}{self.prefix}"


def parse_address(text: str) -> Address:
    """Reads the address of a server.

    Args:
        text: str. `host:port` for gRPC; `http://host:port` or
            `https://host:port` for REST, where a path may follow that the
            server's own begins after, as behind a proxy. Without a port a
            URL has that of its scheme. An IPv6 address stands in brackets.

    Returns:
        `Address`.

    Raises:
        ValueError: for what is none of these.

    Example:
    ```python
    parse_address("localhost:8500").protocol  # "grpc"
    parse_address("https://example.org/serving").prefix  # "/serving"
    ```
    """
    if not isinstance(text, str):
        _refuse(text, f"it is of type {type(text).__name__}")
    if not text or any(letter.isspace() or letter < " " for letter in text):
        _refuse(text, "it is empty" if not text else "it has white space")
    if "://" in text:
        return _parse_url(text)
    return _parse_host_and_port(text)


def _parse_url(text):
    try:
        parts = urllib.parse.urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        _refuse(text, str(error))
    if parts.scheme not in _PORTS:
        _refuse(
            text,
            f"there is no protocol {parts.scheme!r}; gRPC is written without",
        )
    if parts.username is not None or parts.password is not None:
        _refuse(text, "a user and a password are not sent")
    if parts.query or parts.fragment or text.endswith(("?", "#")):
        _refuse(text, "nothing may follow the path")
    port = _PORTS[parts.scheme] if port is None else port
    path = parts.path.rstrip("/")
    if path.endswith("/v1") or "/v1/models" in path:
        _refuse(text, "the client adds /v1/models and what follows by itself")
    prefix = urllib.parse.quote(path, safe="/%-._~!$&'()*+,;=:@")
    return Address(
        parts.scheme,
        _checked_host(text, host, bracketed="[" in parts.netloc),
        _checked_port(text, port),
        prefix,
    )


def _parse_host_and_port(text):
    match = _HOST_AND_PORT.fullmatch(text)
    if match is None:
        if text.count(":") > 1 and "[" not in text:
            _refuse(text, "an IPv6 address stands in brackets")
        if "/" in text:
            _refuse(text, "what has a path is REST and begins with http://")
        _refuse(text, "there is no port" if ":" not in text else "")
    bracketed = match["address"] is not None
    host = _checked_host(text, match["address"] or match["host"], bracketed)
    return Address("grpc", host, _checked_port(text, int(match["port"])))


def _checked_host(text, host, bracketed):
    if not host:
        _refuse(text, "there is no host")
    try:
        if bracketed:
            ipaddress.IPv6Address(host)
        else:
            # What looking up the name would come to grief on.
            host.encode("idna")
    except ValueError:
        what = "IPv6 address" if bracketed else "host"
        _refuse(text, f"{host!r} cannot be the name of a {what}")
    return host


def _checked_port(text, port):
    if not 1 <= port <= _LAST_PORT:
        _refuse(text, f"a port is from 1 to {_LAST_PORT}")
    return port


def _refuse(text: Any, reason: str):
    raise ValueError(
        "A server's address is host:port for gRPC, such as 'localhost:8500', "
        "or http://host:port for REST, such as 'http://localhost:8501'. "
        f"Received: {text!r}{f' ({reason})' if reason else ''}"
    )
