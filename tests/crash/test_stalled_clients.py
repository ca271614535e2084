"""Clients that stall, vanish or come all at once: they hold no memory, delay nobody and leave nothing.

S3GW_FULL_LOAD=1 runs the sizes that are promised (200 clients stalled at 7 MiB, 64 uploads of 16 MiB); `make test`
has smaller ones with a smaller budget of memory for uploads.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.crash.client import BUCKET, Client, InProcess, open_gateway, scope_of
from tests.crash.sockets import RawClient, eventually, open_chunks, random_body, resident_memory, stored
from tests.gateways import client_of
from tests.servers import RunningServer, running_server

_MIB = 1 << 20
_KIB = 1 << 10


@dataclass(frozen=True)
class _Load:
    """`memory` is the budget of one process; what stalled clients have sent is far more than that of all."""

    memory: int
    stalled: int
    stalled_at: int
    uploads: int
    upload_size: int


_LOAD = (
    _Load(256 * _MIB, 200, 7 * _MIB, 64, 16 * _MIB)
    if os.environ.get("S3GW_FULL_LOAD")
    else _Load(4 * _MIB, 48, 700 * _KIB, 64, 1 * _MIB)
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    data = tmp_path_factory.mktemp("stalled") / "data"
    with running_server(data, S3GW_BUCKETS=BUCKET, S3GW_UPLOAD_MEMORY=str(_LOAD.memory)) as server:
        yield server


@pytest.mark.soak
def test_clients_that_stall_in_the_middle_of_an_upload_do_not_delay_the_next_one(server: RunningServer) -> None:
    whole, body = random_body(_LOAD.stalled_at + _MIB), random_body(3 * _MIB)
    with ExitStack() as stack:
        clients = [RawClient(server) for _ in range(_LOAD.stalled)]
        for number, client in enumerate(clients):
            stack.callback(client.close)
            client.begin("PUT", f"stalled{number}", len(whole))
            client.send(whole[: _LOAD.stalled_at])
        with Client(server.s3) as another:
            started = time.monotonic()
            assert another.request("PUT", f"{BUCKET}/next", body).status == 200
            assert time.monotonic() - started < 5
            assert another.request("GET", f"{BUCKET}/next").body == body
            assert another.request("GET", f"{BUCKET}/stalled0").status == 404
        for client in clients[:3]:  # they may go on at any time
            client.send(whole[_LOAD.stalled_at :])
            assert client.read_answer()[0] == 200
    with Client(server.s3) as reader:
        assert reader.request("GET", f"{BUCKET}/stalled2").body == whole


@pytest.mark.soak
def test_many_uploads_at_once_stay_within_the_memory_that_is_promised(server: RunningServer) -> None:
    largest = before = resident_memory(server.process.pid)
    body, piece = random_body(_LOAD.upload_size), 128 * _KIB
    failures: list[object] = []

    def upload(numbers: range) -> None:
        clients = [RawClient(server) for _ in numbers]
        for client, number in zip(clients, numbers, strict=True):
            client.begin("PUT", f"many{number}", len(body))
            client.send(number.to_bytes(8, "big"))
        for first in range(8, len(body), piece):
            for client in clients:
                client.send(body[first : first + piece])
        failures.extend(answer for client in clients if (answer := client.read_answer())[0] != 200)
        for client in clients:
            client.close()

    threads = [threading.Thread(target=upload, args=(range(first, _LOAD.uploads, 4),)) for first in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        largest = max(largest, resident_memory(server.process.pid))
        time.sleep(0.1)
    assert failures == []
    assert largest < 1 << 30
    # Two slices and a socket's buffers for each upload, the budgets, and what Python keeps of it all.
    assert largest - before < 2 * _LOAD.memory + _LOAD.uploads * _MIB
    with Client(server.s3) as reader:
        assert reader.request("GET", f"{BUCKET}/many7").body == (7).to_bytes(8, "big") + body[8:]


@pytest.mark.soak
def test_clients_that_stall_in_a_document_hold_a_bounded_memory(server: RunningServer) -> None:
    before = resident_memory(server.process.pid)
    size, clients = 2 * _MIB, [RawClient(server) for _ in range(60)]
    for client in clients:
        client.begin("POST", "key?uploadId=none", size)
        client.socket.setblocking(False)
    unsent = [(client, memoryview(bytes(size - 1))) for client in clients]
    until = time.monotonic() + 3
    while time.monotonic() < until:  # the kernel takes more than the server reads
        unsent = [(client, data[_send_some(client, data) :]) for client, data in unsent if data]
        time.sleep(0.01)
    grown = resident_memory(server.process.pid) - before
    for client in clients[2:]:
        client.close()
    # One has its turn in each worker; of the others each connection holds a little. Read whole, they took 170 MiB.
    assert grown < 90 * _MIB
    with Client(server.s3) as another:  # small documents don't wait
        assert another.request("POST", f"{BUCKET}/key?uploadId=none", b"<CompleteMultipartUpload/>").status == 400
    for client in clients[:2]:
        client.close()


def _send_some(client: RawClient, data: memoryview) -> int:
    try:
        return client.socket.send(data)
    except BlockingIOError:
        return 0


@pytest.mark.parametrize("reset", [False, True])
def test_a_client_that_vanishes_in_the_middle_of_an_upload_leaves_nothing(reset: bool, server: RunningServer) -> None:
    data = Path(server.facts["data"])
    before = stored(data)
    client = RawClient(server)
    client.begin("PUT", "vanished", 20 * _MIB)
    client.send(random_body(9 * _MIB))
    assert eventually(lambda: stored(data)["files"] > before["files"])
    client.close(reset=reset)
    assert eventually(lambda: stored(data) == before), stored(data)
    assert eventually(lambda: not open_chunks(server))
    with Client(server.s3) as another:
        assert another.request("GET", f"{BUCKET}/vanished").status == 404


@pytest.mark.parametrize("reset", [False, True])
def test_a_client_that_vanishes_in_the_middle_of_a_download_leaves_nothing_open(
    reset: bool, server: RunningServer
) -> None:
    body = random_body(16 * _MIB)
    with Client(server.s3) as client:
        assert client.request("PUT", f"{BUCKET}/download", body).status == 200
    reader = RawClient(server, receive_buffer=64 * _KIB)
    reader.begin("GET", "download")
    assert reader.socket.recv(100).startswith(b"HTTP/1.1 200")
    assert eventually(lambda: sys.platform != "linux" or len(open_chunks(server)) > 0)
    reader.close(reset=reset)
    assert eventually(lambda: not open_chunks(server))
    assert eventually(lambda: bool(_access_lines(server, "path=/bucket/download", "status=499")))
    line = _access_lines(server, "path=/bucket/download", "status=499")[-1]
    assert 0 < int(line.partition(" bytes=")[2].split()[0]) < len(body)
    assert " error " not in server.log.read_text()


def test_a_long_answer_that_nobody_waits_for_is_given_up(server: RunningServer) -> None:
    """What is made of copies may be far larger than what anybody has sent."""
    s3, where = client_of(server), {"Bucket": BUCKET, "Key": "long"}
    s3.put_object(Bucket=BUCKET, Key="source", Body=random_body(16 * _MIB))
    upload = where | {"UploadId": s3.create_multipart_upload(**where)["UploadId"]}
    parts = []
    for number in range(1, 257):
        copied = s3.upload_part_copy(**upload, PartNumber=number, CopySource=f"{BUCKET}/source")
        parts.append({"PartNumber": number, "ETag": copied["CopyPartResult"]["ETag"]})
    s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
    reader = RawClient(server)
    reader.begin("GET", "long")
    assert reader.socket.recv(100).startswith(b"HTTP/1.1 200")
    reader.close()
    assert eventually(lambda: bool(_access_lines(server, "path=/bucket/long ", "status=499")), within=1)


def _access_lines(server: RunningServer, *fields: str) -> list[str]:
    lines = server.log.read_text().splitlines()
    return [line for line in lines if all(field in line for field in fields)]


async def _vanish_in_upload(gateway: InProcess) -> None:
    messages = iter(
        [
            {"type": "http.request", "body": bytes(_MIB), "more_body": True},
            {"type": "http.disconnect"},
        ]
    )

    async def receive() -> Any:
        return next(messages)

    async def send(message: Any) -> None:
        raise AssertionError("nobody is there to answer")

    await gateway.gateway(scope_of("PUT", f"{BUCKET}/vanished", 2 * _MIB), receive, send)


async def _vanish_in_download(gateway: InProcess) -> None:
    assert (await gateway.request("PUT", f"{BUCKET}/download", random_body(2 * _MIB))).is_success
    assert len(gateway.services.pins) == 0
    is_stuck = asyncio.Event()

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        if message.get("body"):
            is_stuck.set()
            await asyncio.Event().wait()

    reading = asyncio.create_task(gateway.gateway(scope_of("GET", f"{BUCKET}/download"), receive, send))
    await is_stuck.wait()
    assert len(gateway.services.pins) == 1
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)


@pytest.mark.parametrize("vanish", [_vanish_in_upload, _vanish_in_download])
def test_what_a_client_that_vanished_had_open_does_not_hold_up_the_reaper(
    vanish: Callable[[InProcess], Awaitable[None]], sqlite_template: Path, tmp_path: Path
) -> None:
    async def check() -> None:
        async with open_gateway(tmp_path / "data", sqlite_template) as gateway:
            await vanish(gateway)
            assert len(gateway.services.pins) == 0

    asyncio.run(check())
