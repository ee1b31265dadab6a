"""An address says where a server is and how it is spoken to, or is refused."""

import pytest

from keras_dim.serving import Address
from keras_dim.serving import parse_address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("localhost:8500", Address("grpc", "localhost", 8500)),
        ("10.0.0.7:1", Address("grpc", "10.0.0.7", 1)),
        ("[::1]:8500", Address("grpc", "::1", 8500)),
        ("http://a:8501", Address("http", "a", 8501)),
        ("http://a:8501/", Address("http", "a", 8501)),
        ("HTTP://a", Address("http", "a", 80)),
        ("https://a.example", Address("https", "a.example", 443)),
        ("https://a/b/c/", Address("https", "a", 443, "/b/c")),
        ("http://[::1]:8501/b", Address("http", "::1", 8501, "/b")),
        ("http://a/ü", Address("http", "a", 80, "/%C3%BC")),
    ],
)
def test_an_address_is_read(text, address):
    assert parse_address(text) == address


def test_an_address_is_written_as_it_is_read():
    for text in ("localhost:8500", "[::1]:8500", "http://[::1]:8501/b"):
        assert str(parse_address(text)) == text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        (" localhost:8500", "white space"),
        ("localhost:8500\n", "white space"),
        ("localhost", "no port"),
        ("localhost:", ""),
        (":8500", ""),
        ("localhost:http", ""),
        ("localhost:0", "from 1 to 65535"),
        ("localhost:65536", "from 1 to 65535"),
        ("::1:8500", "in brackets"),
        ("[localhost]:8500", "IPv6 address"),
        ("a..b:8500", "'a..b'"),
        ("localhost:8501/v1", "begins with http://"),
        ("dns:///localhost:8500", "no protocol 'dns'"),
        ("grpc://localhost:8500", "gRPC is written without"),
        ("http://", "no host"),
        ("http://:8501", "no host"),
        ("http://a:b", "Port"),
        ("http://a:0", "from 1 to 65535"),
        ("http://[::1", "IPv6"),
        ("http://me:secret@a", "are not sent"),
        ("http://a/?b", "nothing may follow"),
        ("http://a/#b", "nothing may follow"),
        ("http://a:8501/v1", "adds /v1/models"),
        ("http://a:8501/v1/models/tiny", "adds /v1/models"),
        (8500, "of type int"),
        (None, "of type NoneType"),
    ],
)
def test_nonsense_is_refused(text, reason):
    with pytest.raises(ValueError, match="host:port for gRPC") as caught:
        parse_address(text)
    assert reason in str(caught.value)
    assert repr(text) in str(caught.value)
