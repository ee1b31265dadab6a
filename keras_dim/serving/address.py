"""The address of a server: `host:port` for gRPC, a URL for REST."""

import dataclasses
import ipaddress
import urllib.parse

_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclasses.dataclass(frozen=True)
class Address:
    """The address of a server.

    `protocol` is `"grpc"`, `"http"` or `"https"`; `host` a name or an IP
    address, IPv6 without brackets; `prefix` the path before `/v1/models`.
    """

    protocol: str
    host: str
    port: int
    prefix: str = ""

    @property
    def host_and_port(self) -> str:
        """`host:port`, with an IPv6 address in brackets."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    def __str__(self) -> str:
        scheme = "" if self.protocol == "grpc" else f"{self.protocol}://"
        return f"{scheme}{self.host_and_port}{self.prefix}"


def parse_address(text: str) -> Address:
    """Parses the address of a server; raises a `ValueError` for any other text.

    It is `host:port` for gRPC, or a URL of `http` or `https` for REST, with the
    path of a proxy if there is one. IPv6 addresses are in brackets.
    """
    try:
        is_grpc = "://" not in text
        url = urllib.parse.urlsplit(f"grpc://{text}" if is_grpc else text)
        port, prefix = url.port, url.path.rstrip("/")
        if port is None:
            port = _DEFAULT_PORTS[url.scheme]
        has_more = set("?#@") & set(text) or text.split() != [text]
        is_api = prefix.endswith("/v1") or "/v1/models" in prefix
        is_known = not prefix if is_grpc else url.scheme in _DEFAULT_PORTS
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
        "A server's address must be host:port for gRPC, such as "
        "'localhost:8500', or http://host:port for REST, such as "
        "'http://localhost:8501', with the path of a proxy but without "
        f"/v1/models. IPv6 addresses are in brackets. Received: {text!r}"
    )
