"""The address of a server: `host:port` for gRPC, a URL for REST."""

import dataclasses
import ipaddress
import urllib.parse

# The default ports of the two protocols that a URL may have.
_PORTS = {"http": 80, "https": 443}


@dataclasses.dataclass(frozen=True)
class Address:
    """The address of a server.

    `protocol` is `"grpc"`, `"http"` or `"https"`; `host` a name or an IP
    address, of IPv6 without brackets; `prefix` the path before `/v1/models`.
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
        scheme = "" if self.protocol == "grpc" else f"{self.protocol}://"
        return f"{scheme}{self.host_and_port}{self.prefix}"


def parse_address(text: str) -> Address:
    """Reads the address of a server.

    It is `host:port` for gRPC, or a URL of `http` or `https` for REST, with the
    path of a proxy if there is one. IPv6 addresses stand in brackets. Anything
    else is a `ValueError`.
    """
    try:
        is_grpc = "://" not in text
        url = urllib.parse.urlsplit(f"grpc://{text}" if is_grpc else text)
        port = (
            url.port if is_grpc or url.port is not None else _PORTS[url.scheme]
        )
        prefix = url.path.rstrip("/")
        has_more = set("?#@") & set(text) or text.split() != [text]
        is_api = prefix.endswith("/v1") or "/v1/models" in prefix
        is_known = not prefix if is_grpc else url.scheme in _PORTS
        if is_known and not is_api and not has_more and port:
            host = url.hostname
            if "[" in text:
                ipaddress.IPv6Address(host)
            else:
                # `getaddrinfo` would fail on other names.
                host = host.encode("idna").decode()
            prefix = urllib.parse.quote(prefix, safe="/%-._~!$&'()*+,;=:@")
            return Address(url.scheme, host, port, prefix)
    except (AttributeError, KeyError, TypeError, ValueError):
        pass
    raise ValueError(
        "A server's address is host:port for gRPC, such as 'localhost:8500', "
        "or http://host:port for REST, such as 'http://localhost:8501', where "
        "a path may follow, without /v1/models. IPv6 addresses stand in "
        f"brackets. Received: {text!r}"
    )
