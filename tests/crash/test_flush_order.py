"""Loss of power, without pulling a plug: what a traced server had flushed when it said yes is all that is kept.

SIGKILL (test_crash.py) leaves the page cache alone. So the system calls of a real server are recorded with strace,
and the data folder is built again from just those writes that were flushed when each 2xx began to leave.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
import shutil
import signal
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest

from tests.crash.client import BUCKET, Client, open_gateway, part_list
from tests.crash.disk import Disk
from tests.crash.system_calls import COMMAND, WRITES, Call, Event, read_events
from tests.servers import running_server

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="strace exists on Linux only")

_CHUNK = 128 * 1024
_SETTINGS = {"S3GW_BUCKETS": BUCKET, "S3GW_CHUNK_SIZE": str(_CHUNK), "S3GW_MIN_PART": "0"}
_random = random.Random(7)
SMALL, LARGE, OTHER = _random.randbytes(5000), _random.randbytes(3 * _CHUNK + 17), _random.randbytes(2 * _CHUNK)
_PARTS = (_random.randbytes(_CHUNK + 3), _random.randbytes(700), LARGE)

Objects = dict[str, bytes]


class Answered(NamedTuple):
    """An acknowledged write, and the objects there must be then; while others write too, only its own."""

    request: str
    objects: Objects
    are_all: bool = True


@dataclass
class Recording:
    """What the server did, and what it had acknowledged to the client of each port, in order."""

    root: Path
    port: int
    events: list[Event] = field(default_factory=list)
    answered: dict[int, list[Answered]] = field(default_factory=dict)

    def replay(self, at_each: Callable[[Disk, Answered], None], *, loses_flushes_of: str = "") -> Disk:
        """`at_each` is called when the first byte of a 2xx is about to leave."""
        disk = Disk(self.root, loses_flushes_of=loses_flushes_of)
        expected = {port: iter(answers) for port, answers in self.answered.items()}
        for event in self.events:
            client = None if event.has_ended else _succeeding(event.call, self.port)
            if client is not None:
                at_each(disk, next(expected[client]))
            disk.apply(event)
        assert [*chain(*expected.values())] == [], "not every answer was found in the trace"
        return disk


def _succeeding(call: Call, port: int) -> int | None:
    """The port of the client whose success this call sends."""
    sockets = re.fullmatch(rf"TCP:\[.*:{port}->.*:(\d+)\]", call.target)
    if call.name not in WRITES or sockets is None or not b"".join(call.strings).startswith(b"HTTP/1.1 2"):
        return None
    return int(sockets[1])


class _Session:
    """Sends requests one at a time and notes what each leaves."""

    def __init__(self, client: Client, recording: Recording) -> None:
        self._client, self._recording = client, recording
        self._objects: Objects = {}

    def send(
        self, method: str, path: str, body: bytes = b"", *, stores: bytes | None = None, copies: str | None = None
    ) -> tuple[str, str]:
        """Gives the ETag header and the upload id."""
        headers = {} if copies is None else {"x-amz-copy-source": f"{BUCKET}/{copies}"}
        answer = self._client.request(method, f"{BUCKET}/{path}", body, headers)
        assert answer.is_success, answer
        key = path.partition("?")[0]
        if stores is not None:
            self._objects[key] = stores
        elif method == "DELETE":
            self._objects.pop(key)
        state = Answered(f"{method} {path[:30]}", dict(self._objects))
        self._recording.answered.setdefault(self._client.port, []).append(state)
        upload_id = answer.tag("UploadId") if b"<UploadId>" in answer.body else ""
        etag = answer.headers.get("etag") or (answer.tag("ETag") if b"<ETag>" in answer.body else "")
        return etag, upload_id

    def run(self) -> None:
        self.send("PUT", "small", SMALL, stores=SMALL)
        self.send("PUT", "large", LARGE, stores=LARGE)
        self.send("PUT", "copy", stores=LARGE, copies="large")
        self.send("PUT", "small-copy", stores=SMALL, copies="small")
        self.send("PUT", "same", LARGE, stores=LARGE)  # its chunks are there already
        self.send("PUT", "small", OTHER, stores=OTHER)
        self.send("DELETE", "large")
        _, upload_id = self.send("POST", "parts?uploads=")
        etags = {
            number: self.send("PUT", f"parts?partNumber={number}&uploadId={upload_id}", body)[0]
            for number, body in enumerate(_PARTS, 1)
        }
        copied = f"parts?partNumber=4&uploadId={upload_id}"
        etags[4], _ = self.send("PUT", copied, copies="same")
        whole = b"".join((*_PARTS, LARGE))
        self.send("POST", f"parts?uploadId={upload_id}", part_list(etags), stores=whole)
        self.send("PUT", "parts-copy", stores=whole, copies="parts")
        self.send("DELETE", "same")
        self.send("PUT", "last", OTHER[:-1], stores=OTHER[:-1])


def _write_beside_others(url: str, recording: Recording, name: str) -> None:
    """One of several clients whose writes share commits."""
    chance = random.Random(name)
    answers = []
    with Client(url) as client:
        for number in range(3):
            body = chance.randbytes(chance.choice((300, 9000, _CHUNK + 5)))
            assert client.request("PUT", f"{BUCKET}/{name}-{number}", body).status == 200
            answers.append(Answered(f"PUT {name}-{number}", {f"{name}-{number}": body}, are_all=False))
        recording.answered[client.port] = answers


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    if shutil.which("strace") is None:
        pytest.fail("this test needs strace (apt-get install strace)", pytrace=False)
    folder = tmp_path_factory.mktemp("flushes")
    root, trace = folder / "root", folder / "trace"
    root.mkdir()
    under = [*COMMAND, "-o", str(trace)]
    with running_server(root / "data", "--workers", "1", under=under, **_SETTINGS) as server:
        made = Recording(root, urlsplit(server.s3).port or 0)
        with Client(server.s3) as client:
            _Session(client, made).run()
        with ThreadPoolExecutor(3) as threads:
            list(threads.map(partial(_write_beside_others, server.s3, made), ("one", "two", "three")))
        os.kill(server.facts["pid"], signal.SIGTERM)  # strace itself is deaf to it
        assert server.process.wait(60) == 0
    made.events = list(read_events(trace))
    return made


async def _stored(data: Path) -> Objects | str:
    """All objects of a rebuilt folder, or why they can't be read."""
    async with open_gateway(data) as gateway:
        listing = await gateway.request("GET", f"{BUCKET}?list-type=2")
        if not listing.is_success:
            return listing.body.decode()
        found: Objects = {}
        for key in listing.body.decode().split("<Key>")[1:]:
            key = key.partition("</Key>")[0]
            answer = await gateway.request("GET", f"{BUCKET}/{key}")
            if not answer.is_success:
                return f"{key}: {answer.body.decode()}"
            found[key] = answer.body
        return found


def read_kept(disk: Disk, folder: Path) -> Objects | str:
    """Empty folders of the last time are left: making and removing 256 of them takes longer than all the rest."""
    folder.mkdir(exist_ok=True)
    for path in folder.rglob("*"):
        if not path.is_dir():
            path.unlink()
    disk.write_out(folder)
    try:
        return asyncio.run(_stored(folder / "data"))
    except Exception as error:  # of whatever kind: such a folder is of no use
        return repr(error)


def test_chunks_folders_and_commit_are_flushed_before_a_success_leaves(recording: Recording) -> None:
    def check(disk: Disk, answered: Answered) -> None:
        flushed, request = disk.take_syncs(), answered.request
        if not answered.are_all:  # what isn't flushed then may be another's
            return
        assert disk.unflushed("/data/blobs/") == [], request
        assert any(path.endswith("s3gw.db-wal") for path in flushed), request
        stores_chunks = request in ("PUT large", "PUT last") or "partNumber=1" in request
        assert any("/data/blobs/" in path for path in flushed) or not stores_chunks, request

    recording.replay(check)


def test_a_disk_that_keeps_only_what_was_flushed_holds_every_acknowledged_object(
    recording: Recording, tmp_path: Path
) -> None:
    def check(disk: Disk, answered: Answered) -> None:
        kept = read_kept(disk, tmp_path / "kept")
        assert isinstance(kept, dict), (answered.request, kept)
        if answered.are_all:
            assert kept == answered.objects, (answered.request, sorted(kept))
        else:
            assert answered.objects.items() <= kept.items(), (answered.request, sorted(kept))

    recording.replay(check)


def test_s3gw_starts_on_what_such_a_disk_keeps(recording: Recording, tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    folder.mkdir()
    objects: Objects = {}

    def write_out_the_last(disk: Disk, answered: Answered) -> None:
        if answered.request == "PUT last":
            disk.write_out(folder)
            objects.update(answered.objects)

    recording.replay(write_out_the_last)
    assert objects
    with running_server(folder / "data", "--workers", "1") as server, Client(server.s3) as client:
        for key, value in objects.items():
            assert client.request("GET", f"{BUCKET}/{key}").body == value
        assert client.request("PUT", f"{BUCKET}/new", LARGE).status == 200
        assert client.request("GET", f"{BUCKET}/new").body == LARGE


@pytest.mark.parametrize("forgotten", ["/blobs/[^/]+/", "/blobs/[^/]+$", "/blobs$", "/data$", "s3gw.db-wal$"])
def test_a_server_that_forgot_a_flush_would_be_found_out(forgotten: str, recording: Recording, tmp_path: Path) -> None:
    wrong: list[str] = []

    def check(disk: Disk, answered: Answered) -> None:
        is_looked_at = answered.request in ("PUT large", "PUT last")
        if is_looked_at and read_kept(disk, tmp_path / "kept") != answered.objects:
            wrong.append(answered.request)

    recording.replay(check, loses_flushes_of=forgotten)
    assert wrong == ["PUT large", "PUT last"]
