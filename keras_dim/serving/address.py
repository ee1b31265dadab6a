"""The address of a server: `host:port` for gRPC, a URL for REST."""

import ipaddress
import urllib.parse

_DEFAULT_PORTS = {"http": 80, "https": 443}


def parse_address(text: str) -> urllib.parse.SplitResult:
    """Parses the address of a server; raises a `ValueError` for any other text.

    It is `host:port` for gRPC, or a URL of `http` or `https` for REST, with the
    path of a proxy if there is one. IPv6 addresses are in brackets. In the
    result the scheme is `"grpc"`, `"http"` or `"https"`, the path the one
    before `/v1/models`, and there always is a port.
    """
    try:
        is_grpc = "://" not in text
        url = urllib.parse.urlsplit(f"grpc://{text}" if is_grpc else text)
        port, path = url.port, url.path.rstrip("/")
        if port is None:
            port = _DEFAULT_PORTS[url.scheme]
        has_more = set("?#@") & set(text) or text.split() != [text]
        is_api = path.endswith("/v1") or "/v1/models" in path
        is_known = not path if is_grpc else url.scheme in _DEFAULT_PORTS
        if is_known and not is_api and not has_more and port:
            host = url.hostname
            if "[" in text:
                host = f"[{ipaddress.IPv6Address(host)}]"
            else:
                # `getaddrinfo` would fail on other names.
                host = host.encode("idna").decode()
            path = urllib.parse.quote(path, safe="/%-._~!$&'()*+,;=:@")
            return url._replace(netloc=f"{host}:{port}", path=path)
    except (AttributeError, KeyError, TypeError, ValueError):
        pass
    raise ValueError(
        "A server's address must be host:port for gRPC, such as "
        "'localhost:8500', or http://host:port for REST, such as "
        "'http://localhost:8501', with the path of a proxy but without "
        f"/v1/models. IPv6 addresses are in brackets. Received: {text!r}"
    )


def as_text(address: urllib.parse.SplitResult) -> str:
    """Returns an address as `parse_address` takes it."""
    return address.geturl().removeprefix("grpc://")
