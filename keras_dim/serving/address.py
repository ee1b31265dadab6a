"""The address of a server: `host:port` for gRPC, a URL for REST."""

import dataclasses
import ipaddress
import re
import urllib.parse

# The default ports of the two protocols that a URL may have.
_PORTS = {"http": 80, "https": 443}
_ADDRESS = re.compile(
    r"((?P<protocol>[a-zA-Z]+)://)?"
    r"(\[(?P<ipv6>[^\]]+)\]|(?P<name>[\w.-]+))"
    r"(:(?P<port>\d+))?"
    r"(?P<prefix>/[^\s?#]*)?"
)


@dataclasses.dataclass(frozen=True)
class Address:
    """The address of a server.

    Args:
        protocol: str. `"grpc"`, `"http"` or `"https"`.
        host: str. A name or an IP address, of IPv6 without brackets.
        port: int.
        prefix: str. The path of a URL before `/v1/models`. Defaults to `""`.
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
        text: str. `host:port` for gRPC, or a URL of `http` or `https` for
            REST, with the path of a proxy if there is one. IPv6 addresses
            stand in brackets.

    Raises:
        ValueError: for anything else.
    """
    try:
        protocol, ipv6, name, port, prefix = _ADDRESS.fullmatch(text).group(
            "protocol", "ipv6", "name", "port", "prefix"
        )
        prefix = (prefix or "").rstrip("/")
        is_grpc = protocol is None and not prefix
        protocol = "grpc" if is_grpc else protocol.lower()
        port = int(port or _PORTS[protocol])
        is_known = is_grpc or protocol in _PORTS
        is_api = prefix.endswith("/v1") or "/v1/models" in prefix
        if is_known and not is_api and 0 < port < 2**16:
            if ipv6:
                ipaddress.IPv6Address(ipv6)
            else:
                # `getaddrinfo` would fail on other names.
                name.encode("idna")
            prefix = urllib.parse.quote(prefix, safe="/%-._~!$&'()*+,;=:@")
            return Address(protocol, ipv6 or name.lower(), port, prefix)
    except (AttributeError, KeyError, TypeError, ValueError):
        pass
    raise ValueError(
        "A server's address is host:port for gRPC, such as 'localhost:8500', "
        "or http://host:port for REST, such as 'http://localhost:8501', where "
        "a path may follow, without /v1/models. IPv6 addresses stand in "
        f"brackets. Received: {text!r}"
    )
