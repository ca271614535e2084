"""Clients that are too slow are let go: in a head, in a body, in reading an answer, and between requests."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.crash.client import BUCKET, Client
from tests.crash.sockets import RawClient, eventually, random_body, stored
from tests.servers import RunningServer, running_server

_TIMEOUTS = ("BODY_TIMEOUT", "HEADER_TIMEOUT", "SEND_TIMEOUT", "KEEP_ALIVE")
_PATIENCE = 20  # seconds: a timeout of one, a look once a second, and a busy machine
_LARGE = random_body(24 << 20)  # more than the kernel's buffers take


@dataclass
class SlowClients:
    """All of them at once, so that their waiting is shared."""

    server: RunningServer
    stored_before: dict[str, int]
    silent: RawClient
    in_head: RawClient
    in_body: RawClient
    not_reading: RawClient
    idle: RawClient
    since: float


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlowClients]:
    settings = {f"S3GW_{name}": "1" for name in _TIMEOUTS}
    with running_server(
        tmp_path_factory.mktemp("slow") / "data", "--workers", "1", S3GW_BUCKETS=BUCKET, **settings
    ) as server:
        with Client(server.s3) as writer:
            assert writer.request("PUT", f"{BUCKET}/large", _LARGE).status == 200
        before = stored(Path(server.facts["data"]))
        silent, in_head, in_body, idle = (RawClient(server) for _ in range(4))
        not_reading = RawClient(server, receive_buffer=32 * 1024)
        slow = SlowClients(server, before, silent, in_head, in_body, not_reading, idle, time.monotonic())
        slow.in_head.send(b"GET /bucket/large HTTP/1.1\r\nHost: s3\r\nX-Slow")
        slow.in_body.begin("PUT", "slow", 1 << 20)
        slow.in_body.send(bytes(300_000))
        slow.not_reading.begin("GET", "large")
        slow.idle.begin("HEAD", "missing")
        assert slow.idle.socket.recv(1000).startswith(b"HTTP/1.1 404")
        yield slow
        for client in (silent, in_head, in_body, not_reading, idle):
            client.close()


def _is_let_go(slow: SlowClients, client: RawClient) -> bytes:
    """What it is told before its connection is closed."""
    client.socket.settimeout(max(1.0, slow.since + _PATIENCE - time.monotonic()))
    return client.read_until_closed()


@pytest.mark.soak
def test_a_client_that_says_nothing_is_let_go(slow: SlowClients) -> None:
    assert _is_let_go(slow, slow.silent) == b""


@pytest.mark.soak
def test_a_client_that_does_not_finish_its_head_is_let_go(slow: SlowClients) -> None:
    assert b" 200 " not in _is_let_go(slow, slow.in_head)


def test_an_idle_connection_is_let_go(slow: SlowClients) -> None:
    assert _is_let_go(slow, slow.idle) == b""


def test_a_client_that_stops_in_its_body_hears_request_timeout_and_leaves_nothing(slow: SlowClients) -> None:
    answer = _is_let_go(slow, slow.in_body)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"<Code>RequestTimeout</Code>" in answer
    assert eventually(lambda: stored(Path(slow.server.facts["data"])) == slow.stored_before)


def test_a_client_that_does_not_read_its_answer_is_let_go(slow: SlowClients) -> None:
    def is_aborted() -> bool:
        return "it doesn't read" in slow.server.log.read_text()

    assert eventually(is_aborted, within=_PATIENCE)
    answer = _is_let_go(slow, slow.not_reading)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert len(answer) < len(_LARGE)
    assert eventually(lambda: " operation=GetObject status=499 " in slow.server.log.read_text())  # in its next batch


def test_the_server_is_well_meanwhile(slow: SlowClients) -> None:
    with Client(slow.server.s3) as client:
        assert client.request("GET", f"{BUCKET}/large").body == _LARGE
