"""The address of a server: `host:port` for gRPC, a URL for REST."""

import dataclasses
import ipaddress
import urllib.parse

_PORTS = {"http": 80, "https": 443}
_PORT_RANGE = "A port is a number from 1 to 65535"


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
    try:
        return _parse(text)
    except ValueError as error:
        raise ValueError(
            "A server's address is host:port for gRPC, such as "
            "'localhost:8500', or http://host:port for REST, such as "
            f"'http://localhost:8501'. Received: {text!r} ({error})"
        ) from None


def _parse(text):
    if not isinstance(text, str):
        raise ValueError(f"it is of type {type(text).__name__}")
    is_url = "://" in text
    url = urllib.parse.urlsplit(text if is_url else f"grpc://{text}")
    path = url.path.rstrip("/")
    host = url.hostname or ""
    is_bracketed = "[" in url.netloc
    mistakes = {
        "it is empty": not text,
        "it has white space": any(c.isspace() or c < " " for c in text),
        f"there is no protocol {url.scheme!r}; gRPC is written without one": (
            is_url and url.scheme not in _PORTS
        ),
        "a user and a password are not sent": "@" in url.netloc,
        "nothing may follow the path": "?" in text or "#" in text,
        "an address with a path is for REST and begins with http://": (
            not is_url and url.path
        ),
        "the client adds /v1/models and the rest itself": (
            path.endswith("/v1") or "/v1/models" in path
        ),
        "an IPv6 address stands in brackets": (
            url.netloc.count(":") > 1 and not is_bracketed
        ),
        "there is no host": not host,
    }
    for mistake, is_made in mistakes.items():
        if is_made:
            raise ValueError(mistake)
    try:
        # `getaddrinfo` would fail on other names.
        ipaddress.IPv6Address(host) if is_bracketed else host.encode("idna")
    except ValueError:
        kind = "an IPv6 address" if is_bracketed else "the name of a host"
        raise ValueError(f"{host!r} cannot be {kind}") from None
    return Address(
        url.scheme,
        host,
        _port(url),
        urllib.parse.quote(path, safe="/%-._~!$&'()*+,;=:@"),
    )


def _port(url):
    try:
        port = _PORTS.get(url.scheme) if url.port is None else url.port
    except ValueError as error:
        raise ValueError(f"{error}. {_PORT_RANGE}") from None
    if not port:
        raise ValueError("there is no port" if port is None else _PORT_RANGE)
    return port
