"""A commit that fails: nobody in its group is told success, nothing of it remains, and the server goes on.

Through the whole gateway on SQLite, where requests share a commit; tests/metadata/test_sqlite_writer.py has the same
of the database alone.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from s3gw.metadata import processes, sqlite_writer
from s3gw.metadata.database import Connection
from s3gw.metadata.sqlite_connection import SQLiteConnection
from s3gw.metadata.sqlite_files import WriterLock
from tests.crash.client import BUCKET, Answer, InProcess, open_gateway, part_list
from tests.crash.storage import settle

pytestmark = pytest.mark.anyio

_CHUNK = 64 * 1024
_random = random.Random(11)
_OLD = {"small": _random.randbytes(4000), "large": _random.randbytes(3 * _CHUNK)}
_NEW = {
    "small": _random.randbytes(4000),
    "large": _random.randbytes(3 * _CHUNK),
    "new": _random.randbytes(90),
    "new-large": _random.randbytes(2 * _CHUNK),
}


@pytest.fixture
def submitted(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What requests handed to the thread that commits."""
    writes: list[Any] = []
    submit = sqlite_writer.Writer.submit

    def note(writer: sqlite_writer.Writer, fn: Any, args: tuple[Any, ...]) -> Any:
        if fn is not processes.heartbeat:
            writes.append(fn)
        return submit(writer, fn, args)

    monkeypatch.setattr(sqlite_writer.Writer, "submit", note)
    monkeypatch.setattr(sqlite_writer, "MAX_GROUP_SECONDS", 60)  # a slow machine must not make it two groups
    return writes


@asynccontextmanager
async def opened(tmp_path: Path, template: Path) -> AsyncIterator[InProcess]:
    """A gateway that stores the old objects. When it is closed, everything in its folder is or can be put in order.

    Chunks of a request whose commit had no known outcome are left to the sweep, and that waits for their process.
    """
    async with open_gateway(tmp_path / "data", template, chunk_size=_CHUNK, min_part=0) as gateway:
        for key, value in _OLD.items():
            assert (await gateway.request("PUT", f"{BUCKET}/{key}", value)).is_success
        yield gateway
    assert await asyncio.to_thread(settle, tmp_path / "data") == []


async def read_all(gateway: InProcess) -> dict[str, bytes]:
    listing = (await gateway.request("GET", f"{BUCKET}?list-type=2")).body.decode()
    keys = [part.partition("</Key>")[0] for part in listing.split("<Key>")[1:]]
    return {key: (await gateway.request("GET", f"{BUCKET}/{key}")).body for key in keys}


async def in_one_group(data: Path, submitted: list[Any], requests: Sequence[Awaitable[Any]]) -> list[Any]:
    """Run them while nobody can commit, until all of them wait for it; then let the group go."""
    lock = WriterLock(data / "s3gw.db")
    lock.acquire()
    submitted.clear()
    try:
        tasks = [asyncio.ensure_future(request) for request in requests]
        async with asyncio.timeout(20):
            while len(submitted) < len(tasks):  # noqa: ASYNC110 - the list is filled by the code under test
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.01)
    finally:
        lock.release()
        lock.close()
    return await asyncio.gather(*tasks, return_exceptions=True)


def break_the_commit(conn: Connection) -> None:
    # A deferred foreign key is checked by COMMIT: the real thing, without a faulty disk.
    assert isinstance(conn, SQLiteConnection)
    conn.driver.execute("PRAGMA defer_foreign_keys = ON")
    columns = "id, name, owner_id, region, versioning, created_at"
    conn.driver.execute(f"INSERT INTO buckets ({columns}) VALUES (99, 'b', 'nobody', '', '', 0)")


async def begin_upload(gateway: InProcess) -> tuple[str, bytes]:
    """An upload of one part that waits to be completed: its path, and the body of the request."""
    begun = await gateway.request("POST", f"{BUCKET}/upload?uploads=")
    upload = f"{BUCKET}/upload?uploadId={begun.tag('UploadId')}"
    part = await gateway.request("PUT", f"{upload}&partNumber=1", _NEW["large"])
    return upload, part_list({1: part.headers["etag"]})


async def test_a_commit_that_fails_tells_no_request_of_its_group_success(
    tmp_path: Path, sqlite_template: Path, submitted: list[Any]
) -> None:
    async with opened(tmp_path, sqlite_template) as gateway:
        upload, document = await begin_upload(gateway)
        writes = [gateway.request("PUT", f"{BUCKET}/{key}", value) for key, value in _NEW.items()]
        others = [
            gateway.request("DELETE", f"{BUCKET}/small"),
            gateway.request("PUT", f"{BUCKET}/copy", headers={"x-amz-copy-source": f"{BUCKET}/large"}),
            gateway.request("POST", f"{BUCKET}/other?uploads="),
            gateway.request("PUT", f"{upload}&partNumber=2", _OLD["large"]),
            gateway.services.database.write(break_the_commit),
        ]
        *answers, _ = await in_one_group(tmp_path / "data", submitted, [*writes, *others])
        assert [answer.status for answer in answers] == [503] * 8
        assert {answer.tag("Code") for answer in answers} == {"ServiceUnavailable"}
        assert await read_all(gateway) == _OLD
        assert b"<PartNumber>2<" not in (await gateway.request("GET", upload)).body
        # The same again succeeds.
        for key, value in _NEW.items():
            assert (await gateway.request("PUT", f"{BUCKET}/{key}", value)).is_success
        assert (await gateway.request("POST", upload, document)).is_success
        assert await read_all(gateway) == _NEW | {"upload": _NEW["large"]}


async def test_completing_that_is_not_committed_leaves_the_upload_as_it_was(
    tmp_path: Path, sqlite_template: Path, submitted: list[Any]
) -> None:
    async with opened(tmp_path, sqlite_template) as gateway:
        upload, document = await begin_upload(gateway)
        requests = [gateway.request("POST", upload, document), gateway.services.database.write(break_the_commit)]
        answer, _ = await in_one_group(tmp_path / "data", submitted, requests)
        assert not answer.is_success
        assert await read_all(gateway) == _OLD
        assert (await gateway.request("POST", upload, document)).is_success
        assert await read_all(gateway) == _OLD | {"upload": _NEW["large"]}


class Full:
    """A database that may not grow by more than `pages`, over all connections that its writer makes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, spills: bool) -> None:
        self.most: int | None = None
        self._spills = spills
        connect = sqlite_writer.WriterConnection

        def connect_to_it(engine: Any) -> SQLiteConnection:
            conn = connect(engine)
            self._limit(conn)
            return conn

        monkeypatch.setattr(sqlite_writer, "WriterConnection", connect_to_it)

    def set(self, conn: Connection, more: int | None) -> None:
        assert isinstance(conn, SQLiteConnection)
        ((pages,),) = conn.driver.execute("PRAGMA page_count").fetchall()
        self.most = None if more is None else pages + more
        self._limit(conn)

    def _limit(self, conn: SQLiteConnection) -> None:
        conn.driver.execute(f"PRAGMA max_page_count = {self.most or 1 << 30}").fetchall()
        if self._spills:
            conn.driver.execute("PRAGMA cache_size = 5").fetchall()  # pages reach the full disk before COMMIT


@pytest.mark.parametrize("spills", [False, True])
async def test_a_disk_that_fills_up_in_the_middle_of_a_group_keeps_what_was_promised_and_nothing_else(
    spills: bool, tmp_path: Path, sqlite_template: Path, submitted: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    bodies = {f"key{number}": _random.randbytes(15_000) for number in range(12)}
    bodies |= {f"large{number}": _random.randbytes(_CHUNK + number) for number in range(3)}
    full = Full(monkeypatch, spills)
    async with opened(tmp_path, sqlite_template) as gateway:
        await gateway.services.database.write(full.set, 15)
        puts = [gateway.request("PUT", f"{BUCKET}/{key}", body) for key, body in bodies.items()]
        answers: list[Answer] = await in_one_group(tmp_path / "data", submitted, puts)
        promised = {key for key, answer in zip(bodies, answers, strict=True) if answer.is_success}
        assert {answer.status for answer in answers} == {200, 507}
        assert await read_all(gateway) == _OLD | {key: bodies[key] for key in promised}
        await gateway.services.database.write(full.set, None)
        for key, body in bodies.items():
            assert (await gateway.request("PUT", f"{BUCKET}/{key}", body)).is_success
        assert await read_all(gateway) == _OLD | bodies


async def test_the_write_ahead_log_stays_bounded_while_clients_read_and_write_without_a_pause(
    tmp_path: Path, sqlite_template: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_writer, "CHECKPOINT_WRITES", 20)
    monkeypatch.setattr(sqlite_writer, "TRUNCATE_BYTES", 1 << 20)
    written = largest = 0
    done = asyncio.Event()

    async def write(gateway: InProcess, name: str) -> None:
        nonlocal written, largest
        for number in range(60):
            body = _random.randbytes(16_000)
            assert (await gateway.request("PUT", f"{BUCKET}/{name}/{number % 20}", body)).is_success
            written += len(body)
            largest = max(largest, (tmp_path / "data" / "s3gw.db-wal").stat().st_size)

    async def read(gateway: InProcess) -> None:
        while not done.is_set():
            assert (await gateway.request("GET", f"{BUCKET}?list-type=2")).is_success
            assert (await gateway.request("GET", f"{BUCKET}/large")).is_success

    async with opened(tmp_path, sqlite_template) as gateway:
        readers = [asyncio.create_task(read(gateway)) for _ in range(3)]
        await asyncio.gather(*(write(gateway, f"writer{number}") for number in range(8)))
        done.set()
        await asyncio.gather(*readers)
    assert written > 7 << 20
    assert largest < 4 << 20
