"""Addresses of servers are parsed or refused."""

import pytest

from keras_dim.serving import address


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("localhost:8500", ("grpc", "localhost", 8500, "")),
        ("10.0.0.7:1", ("grpc", "10.0.0.7", 1, "")),
        ("[::1]:8500", ("grpc", "::1", 8500, "")),
        ("http://a:8501", ("http", "a", 8501, "")),
        ("http://a:8501/", ("http", "a", 8501, "")),
        ("HTTP://a", ("http", "a", 80, "")),
        ("https://a.example", ("https", "a.example", 443, "")),
        ("https://a/b/c/", ("https", "a", 443, "/b/c")),
        ("http://[::1]:8501/b", ("http", "::1", 8501, "/b")),
        ("http://a/ü", ("http", "a", 80, "/%C3%BC")),
    ],
)
def test_an_address_is_parsed(text, expected):
    found = address.parse_address(text)

    assert (found.scheme, found.hostname, found.port, found.path) == expected


def test_as_text_gives_the_text_that_was_parsed():
    for text in ("localhost:8500", "[::1]:8500", "http://[::1]:8501/b"):
        assert address.as_text(address.parse_address(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        " localhost:8500",
        "localhost:8500\n",
        "localhost",
        "localhost:",
        ":8500",
        "localhost:http",
        "localhost:0",
        "localhost:65536",
        "::1:8500",
        "[localhost]:8500",
        "a..b:8500",
        "localhost:8501/v1",
        "dns:///localhost:8500",
        "dns://localhost:8500",
        "grpc://localhost:8500",
        "http://",
        "http://:8501",
        "http://a:b",
        "http://a:0",
        "http://[::1",
        "http://me:secret@a",
        "http://a/?b",
        "http://a/#b",
        "http://a:8501/v1",
        "http://a:8501/v1/models/tiny",
        "http://a/\ud800",
        8500,
        None,
    ],
)
def test_an_invalid_address_is_refused(text):
    with pytest.raises(ValueError, match="host:port for gRPC") as caught:
        address.parse_address(text)
    assert repr(text) in str(caught.value)
