"""A request from its ASGI scope: headers joined, queries decoded, proxies believed only when they are trusted."""

from __future__ import annotations

from typing import Any

import pytest

from s3gw.errors import BadRequest, InvalidURI
from s3gw.wire.request import Request, is_trusted, parse_query
from s3gw.wire.target import Target

PROXIES = ("10.0.0.0/8", "::1/128")


def request(*headers: tuple[bytes, bytes], client: str | None = "10.0.0.1", **scope: Any) -> Request:
    made = {
        "method": "GET",
        "scheme": "http",
        "client": (client, 1) if client else None,
        "path": "/",
        "raw_path": b"/bucket/key",
        "query_string": b"",
        "headers": [(b"host", b"inner:9000"), *headers],
    }
    return Request.from_scope(made | scope, ("example.com",), PROXIES)


def test_duplicate_headers_are_joined_with_a_comma() -> None:
    made = request((b"x-a", b"1"), (b"x-b", b"\xe9"), (b"x-a", b"2"))
    assert made.headers == {"host": "inner:9000", "x-a": "1,2", "x-b": "é"}


def test_a_second_host_is_a_bad_request() -> None:
    with pytest.raises(BadRequest):
        request((b"host", b"other"))


def test_query_arguments_keep_their_order_and_the_first_value_counts() -> None:
    made = request(query_string=b"acl&prefix=a%2Fb+c&prefix=2&&=x")
    assert made.query == [("acl", ""), ("prefix", "a/b c"), ("prefix", "2"), ("", "x")]
    assert made.arguments == {"acl": "", "prefix": "a/b c", "": "x"}


@pytest.mark.parametrize("query", [b"prefix=%ff", b"prefix=%00", b"%zz"])
def test_a_query_that_is_no_text_is_invalid_uri(query: bytes) -> None:
    with pytest.raises(InvalidURI):
        parse_query(query)


FORWARDED = (
    (b"x-forwarded-for", b"203.0.113.9, 198.51.100.7, 10.1.1.1"),
    (b"x-forwarded-proto", b"https"),
    (b"x-forwarded-host", b"photos.example.com"),
    (b"x-forwarded-port", b"8443"),
)


def test_forwarded_headers_of_a_trusted_proxy_count() -> None:
    made = request(*FORWARDED)
    assert (made.client, made.scheme, made.secure) == ("198.51.100.7", "https", True)
    assert made.host == "photos.example.com"
    assert made.host_candidates == ("photos.example.com", "photos.example.com:8443")
    assert made.target == Target("photos", "bucket/key", True)


@pytest.mark.parametrize("client", ["192.0.2.1", None, "unix:"])
def test_forwarded_headers_of_anybody_else_do_not(client: str | None) -> None:
    made = request(*FORWARDED, client=client)
    assert (made.client, made.scheme, made.host, made.secure) == (client or "", "http", "inner:9000", False)
    assert made.host_candidates == ("inner:9000",)


@pytest.mark.parametrize(
    ("forwarded", "client"),
    [
        (b"[2001:db8::1]:443", "2001:db8::1"),
        (b"192.0.2.1:443", "192.0.2.1"),
        (b"unknown", "10.0.0.1"),
        (b"192.0.2.1, nonsense", "10.0.0.1"),
        (b"10.0.0.2", "10.0.0.2"),
        (b"", "10.0.0.1"),
    ],
)
def test_the_client_is_the_last_address_that_no_trusted_proxy_has(forwarded: bytes, client: str) -> None:
    assert request((b"x-forwarded-for", forwarded)).client == client


@pytest.mark.parametrize(
    ("client", "scheme", "version"),
    [("192.0.2.1", "https", "1.3"), ("192.0.2.1", "http", None), ("10.0.0.1", "https", None)],
)
def test_the_version_of_tls_is_known_of_clients_and_not_of_proxies(
    client: str, scheme: str, version: str | None
) -> None:
    made = request(client=client, scheme=scheme, extensions={"tls": {"tls_version": 0x0304}})
    assert made.tls_version == version


def test_a_mapped_ipv4_address_is_that_address() -> None:
    assert is_trusted("::ffff:10.0.0.1", PROXIES)
    assert not is_trusted("::ffff:192.0.2.1", PROXIES)


def test_a_server_without_raw_path_gives_the_decoded_one() -> None:
    assert request(raw_path=b"", path="/bucket/k").target.key == "k"
