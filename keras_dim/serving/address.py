"""The address of a server: `host:port` for gRPC, a URL for REST."""

import dataclasses
import ipaddress
import urllib.parse
from typing import Any

_PORTS = {"http": 80, "https": 443}
_LAST_PORT = 65535


@dataclasses.dataclass(frozen=True)
class Address:
    """The address of a server.

    Args:
        protocol: str. `"grpc"`, `"http"` or `"https"`.
        host: str. A name or an IP address, of IPv6 without brackets.
        port: int.
        prefix: str. The path of a URL before `/v1/models`, such as
            `"/team/serving"`. Defaults to `""`.
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
            `https://host:port` for REST. The path of a URL, such as that of
            a proxy, goes before the server's own, and its port defaults to
            that of the scheme. IPv6 addresses stand in brackets.

    Returns:
        `Address`.

    Raises:
        ValueError: for anything else.

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
    is_url = "://" in text
    try:
        url = urllib.parse.urlsplit(text if is_url else f"grpc://{text}")
        host = url.hostname or ""
    except ValueError as error:
        _refuse(text, str(error))
    is_bracketed = "[" in url.netloc
    path = url.path.rstrip("/")
    for is_wrong, reason in (
        (
            is_url and url.scheme not in _PORTS,
            f"there is no protocol {url.scheme!r}; gRPC is written without one",
        ),
        ("@" in url.netloc, "a user and a password are not sent"),
        (
            url.query or url.fragment or text.endswith(("?", "#")),
            "nothing may follow the path",
        ),
        (
            not is_url and url.path,
            "an address with a path is for REST and begins with http://",
        ),
        (
            path.endswith("/v1") or "/v1/models" in path,
            "the client adds /v1/models and the rest itself",
        ),
        (
            url.netloc.count(":") > 1 and not is_bracketed,
            "an IPv6 address stands in brackets",
        ),
        (not host, "there is no host"),
    ):
        if is_wrong:
            _refuse(text, reason)
    try:
        # `getaddrinfo` would fail on other names.
        ipaddress.IPv6Address(host) if is_bracketed else host.encode("idna")
    except ValueError:
        kind = "an IPv6 address" if is_bracketed else "the name of a host"
        _refuse(text, f"{host!r} cannot be {kind}")
    try:
        port = _PORTS.get(url.scheme) if url.port is None else url.port
    except ValueError as error:
        _refuse(text, f"{error}. A port is a number from 1 to {_LAST_PORT}")
    if not port:
        _refuse(
            text,
            "there is no port"
            if port is None
            else f"a port is a number from 1 to {_LAST_PORT}",
        )
    prefix = urllib.parse.quote(path, safe="/%-._~!$&'()*+,;=:@")
    return Address(url.scheme, host, port, prefix)


def _refuse(text: Any, reason: str):
    raise ValueError(
        "A server's address is host:port for gRPC, such as 'localhost:8500', "
        "or http://host:port for REST, such as 'http://localhost:8501'. "
        f"Received: {text!r} ({reason})"
    )
