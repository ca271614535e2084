"""Uploads that are refused before their body is read: clients of every kind see why, and the rest is never read."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
import urllib3

from s3gw.s3.answer import MOST_DISCARDED
from tests.gateways import client_of, refusal
from tests.raw_requests import UNSIGNED_BODY, connect, head, read_answer, signed
from tests.servers import RunningServer, running_server

GIB, MIB = 1 << 30, 1 << 20
PATH = "/no-such-bucket/key"
# What the kernel's buffers of both ends take of a body that nobody reads.
BUFFERS = 24 * MIB


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running_server(tmp_path_factory.mktemp("refused") / "data", "--workers", "1") as running:
        yield running


@pytest.mark.parametrize(
    "length",
    [{"Content-Length": str(GIB)}, pytest.param({"Transfer-Encoding": "chunked"}, marks=pytest.mark.soak)],
)
@pytest.mark.parametrize(
    "path", [PATH, *(pytest.param(path, marks=pytest.mark.soak) for path in ("/a", "/no-such-bucket?analytics&id=x"))]
)
@pytest.mark.soak
def test_a_gibibyte_that_is_refused_is_not_read(server: RunningServer, path: str, length: dict[str, str]) -> None:
    piece = bytes(MIB)
    sent = 0
    with connect(server) as peer:
        peer.sendall(head(server, "PUT", path, **UNSIGNED_BODY, **length))
        peer.settimeout(1)
        try:
            while sent < GIB:
                peer.sendall(b"%x\r\n%s\r\n" % (MIB, piece) if "Transfer-Encoding" in length else piece)
                sent += MIB
        except (TimeoutError, ConnectionError):
            pass
        answer = read_answer(peer)
    assert sent < MOST_DISCARDED + BUFFERS
    assert answer.status in (400, 404, 501)
    assert answer.refusal[1] in ("NoSuchBucket", "InvalidBucketName", "NotImplemented")
    assert answer.headers["Connection"] == "close"


@pytest.mark.parametrize(
    "size", [1000, MOST_DISCARDED, MOST_DISCARDED + 1, 3 * MIB, pytest.param(20 * MIB, marks=pytest.mark.soak)]
)
def test_a_client_that_sends_without_looking_sees_the_refusal(server: RunningServer, size: int) -> None:
    path, headers = signed(server, "PUT", PATH, **UNSIGNED_BODY)
    with urllib3.PoolManager(retries=False) as pool:
        started = time.monotonic()
        answer = pool.request("PUT", server.s3 + path, headers=headers, body=bytes(size))
        assert (answer.status, b"<Code>NoSuchBucket</Code>" in answer.data) == (404, True)
        assert time.monotonic() - started < 15


@pytest.mark.parametrize("expects", [True, False])
@pytest.mark.parametrize("size", [3 * MIB, pytest.param(20 * MIB, marks=pytest.mark.soak)])
def test_boto3_sees_the_refusal(server: RunningServer, expects: bool, size: int) -> None:
    s3: Any = client_of(server)
    expected = []

    def see(request: Any, **_: Any) -> None:
        if not expects:
            request.headers.pop("Expect", None)
        expected.append("Expect" in request.headers)

    s3.meta.events.register_last("before-send.s3", see)
    assert refusal(s3.put_object, Bucket="no-such-bucket", Key="key", Body=bytes(size)) == (404, "NoSuchBucket")
    assert expected == [expects]


def test_the_connection_is_used_again_after_a_short_body(server: RunningServer) -> None:
    with connect(server) as peer:
        for _ in range(3):
            length = {"Content-Length": str(MOST_DISCARDED)}
            peer.sendall(head(server, "PUT", PATH, **UNSIGNED_BODY, **length) + bytes(MOST_DISCARDED))
            answer = read_answer(peer)
            assert (answer.status, answer.headers["Connection"]) == (404, None)
