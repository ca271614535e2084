"""Addresses as people write them, and the sockets bound to them."""

from __future__ import annotations

import pytest

from s3gw.addresses import parse_address
from s3gw.processes.listeners import CannotListen, bind, url_of


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("127.0.0.1:9000", ("127.0.0.1", 9000)),
        ("[::1]:0", ("::1", 0)),
        (":9000", ("", 9000)),
        ("localhost:65535", ("localhost", 65535)),
    ],
)
def test_an_address_is_host_and_port(address: str, expected: tuple[str, int]) -> None:
    assert parse_address(address) == expected


@pytest.mark.parametrize("address", ["", "9000", "host", "host:", "host:-1", "host:65536", "host:9000x", "host:٣"])
def test_what_is_not_an_address_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="HOST:PORT"):
        parse_address(address)


def test_port_0_takes_a_free_one() -> None:
    with bind("127.0.0.1:0") as listener:
        port = listener.getsockname()[1]
        assert port > 0
        assert url_of(listener, "http") == f"http://127.0.0.1:{port}"


def test_every_interface_is_reached_at_the_loopback() -> None:
    with bind(":0") as listener:
        assert url_of(listener, "https") == f"https://127.0.0.1:{listener.getsockname()[1]}"


def test_a_port_that_is_taken_is_refused() -> None:
    with bind("127.0.0.1:0") as listener, pytest.raises(CannotListen, match=r"can't listen on 127\.0\.0\.1"):
        bind(f"127.0.0.1:{listener.getsockname()[1]}")
