"""What a real client sees: of stored bytes that went bad a connection that breaks, of SIGTERM nothing at all."""

from __future__ import annotations

import asyncio
import http.client
import signal
import socket
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from s3gw.s3 import gateway as gateway_module
from tests.crash.client import BUCKET, Client, open_gateway
from tests.crash.sockets import RawClient, random_body
from tests.servers import RunningServer, running_server

_BLOCK = 64 * 1024
_BAD = 40 * _BLOCK + 7
LARGE = random_body(64 * _BLOCK)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """With an object `large` of which one byte has changed on the disk."""
    data = tmp_path_factory.mktemp("broken") / "data"
    with running_server(data, "--workers", "1", S3GW_BUCKETS=BUCKET) as server:
        with Client(server.s3) as client:
            assert client.request("PUT", f"{BUCKET}/large", LARGE).status == 200
            assert client.request("PUT", f"{BUCKET}/small", LARGE[:900]).status == 200
        (path,) = (data / "blobs").glob("??/*")
        with path.open("r+b") as file:
            file.seek(_BAD)
            file.write(bytes([LARGE[_BAD] ^ 1]))
        yield server


def _range(first: int, last: int) -> dict[str, str]:
    return {"Range": f"bytes={first}-{last}"}


def test_a_download_of_bad_bytes_breaks_off_before_them(server: RunningServer) -> None:
    with Client(server.s3) as client, pytest.raises(http.client.IncompleteRead) as broken:
        client.request("GET", f"{BUCKET}/large")
    assert LARGE.startswith(broken.value.partial)
    assert len(broken.value.partial) <= _BAD


def test_a_ranged_download_of_bad_bytes_is_an_error_and_of_good_ones_is_right(server: RunningServer) -> None:
    with Client(server.s3) as client:
        answer = client.request("GET", f"{BUCKET}/large", headers=_range(_BAD, _BAD + 10))
        assert (answer.status, answer.tag("Code")) == (500, "InternalError")
        good = client.request("GET", f"{BUCKET}/large", headers=_range(_BAD + _BLOCK, len(LARGE) - 1))
        assert (good.status, good.body) == (206, LARGE[_BAD + _BLOCK :])


def test_a_copy_of_bad_bytes_is_as_bad(server: RunningServer) -> None:
    with Client(server.s3) as client:
        headers = {"x-amz-copy-source": f"{BUCKET}/large"}
        assert client.request("PUT", f"{BUCKET}/copy", headers=headers).status == 200
        with pytest.raises(http.client.IncompleteRead):
            client.request("GET", f"{BUCKET}/copy")


def test_a_download_of_a_bad_inline_row_is_an_error(server: RunningServer) -> None:
    with closing(sqlite3.connect(Path(server.facts["data"]) / "s3gw.db", isolation_level=None)) as conn:
        conn.execute("PRAGMA busy_timeout = 20000")
        bad = bytes([LARGE[0] ^ 1]) + LARGE[1:900]
        assert conn.execute("UPDATE contents SET layout = ? WHERE layout = ?", (bad, LARGE[:900])).rowcount == 1
    with Client(server.s3) as client:
        answer = client.request("GET", f"{BUCKET}/small")
        assert (answer.status, answer.tag("Code")) == (500, "InternalError")


@pytest.mark.soak
def test_sigterm_lets_an_upload_and_a_download_in_flight_come_to_their_end(tmp_path: Path) -> None:
    download, upload = random_body(24 << 20), random_body(3 << 20)
    data = tmp_path / "data"
    with running_server(data, S3GW_BUCKETS=BUCKET) as server:
        with Client(server.s3) as client:
            assert client.request("PUT", f"{BUCKET}/download", download).status == 200
        reader, writer = RawClient(server, receive_buffer=_BLOCK), RawClient(server)
        reader.begin("GET", "download")
        writer.begin("PUT", "upload", len(upload))
        writer.send(upload[: 1 << 20])
        time.sleep(0.3)
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        address = urlsplit(server.s3)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((address.hostname, address.port), timeout=20)
        writer.send(upload[1 << 20 :])
        assert writer.read_answer()[0] == 200
        assert reader.read_answer() == (200, download)
        writer.close()
        reader.close()
        assert server.process.wait(20) == 0
    assert asyncio.run(_read(data, "upload")) == upload


async def _read(data: Path, key: str) -> bytes:
    async with open_gateway(data) as gateway:
        return (await gateway.request("GET", f"{BUCKET}/{key}")).body


def test_an_answer_whose_head_can_not_be_encoded_keeps_no_pin(
    sqlite_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The body was opened, but nobody has begun to read it."""

    async def check() -> None:
        async with open_gateway(tmp_path / "data", sqlite_template) as gateway:
            assert (await gateway.request("PUT", f"{BUCKET}/k", bytes(100_000))).is_success

            def fail(output: Any) -> Any:
                raise RuntimeError("a header that can't be written")

            codec = gateway_module._CODECS["GetObject"]
            monkeypatch.setitem(gateway_module._CODECS, "GetObject", codec._replace(encode=fail))
            assert (await gateway.request("GET", f"{BUCKET}/k")).status == 500
            assert len(gateway.services.pins) == 0

    asyncio.run(check())
