"""When the writer empties the write-ahead log into the database, and when it takes its file back."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import insert

from s3gw.metadata import sqlite_files, sqlite_writer
from s3gw.metadata.database import Connection, DatabaseUnavailable
from s3gw.metadata.schema import settings
from s3gw.metadata.sqlite import SQLiteDatabase
from s3gw.metadata.sqlite_connection import SQLiteConnection
from s3gw.metadata.sqlite_files import WriterLock

pytestmark = pytest.mark.anyio

PASSIVE, TRUNCATE = (f"PRAGMA wal_checkpoint({kind})" for kind in ("PASSIVE", "TRUNCATE"))


@pytest.fixture
def path(sqlite_url: str) -> Path:
    return Path(sqlite_url.removeprefix("sqlite:///"))


@pytest.fixture
def database(path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SQLiteDatabase]:
    """One that is asked at each write, and says it in `checkpoints`."""
    monkeypatch.setattr(sqlite_files, "BUSY_TIMEOUT_MS", 20)
    monkeypatch.setattr(sqlite_writer, "CHECKPOINT_WRITES", 1)
    opened = SQLiteDatabase(path)
    yield opened
    asyncio.run(opened.close())


@pytest.fixture
def checkpoints(database: SQLiteDatabase) -> list[str]:
    found: list[str] = []
    database._writer._connection.driver.set_trace_callback(
        lambda sql: found.append(sql) if "wal_checkpoint" in sql else None
    )
    return found


async def put(database: SQLiteDatabase, path: Path, *names: str) -> None:
    """Returns when the checkpoint that may follow the last has ended: it is under the writer's lock too."""

    def insert_one(conn: Connection, name: str) -> None:
        conn.execute(insert(settings).values(name=name, value="v"))

    def wait_for_turn() -> None:
        lock = WriterLock(path)
        with lock.held():
            pass
        lock.close()

    for name in names:
        await database.write(insert_one, name)
        await asyncio.to_thread(wait_for_turn)


async def test_after_so_many_writes_or_seconds_there_is_one(
    database: SQLiteDatabase, path: Path, checkpoints: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_writer, "CHECKPOINT_WRITES", 3)
    await put(database, path, "a", "b")
    assert checkpoints == []
    await put(database, path, "c")
    assert checkpoints == [PASSIVE]
    await put(database, path, "d")
    assert checkpoints == [PASSIVE], "neither so many writes nor seconds have passed since"
    database._writer._next_checkpoint = 0.0
    await put(database, path, "e")
    assert checkpoints == [PASSIVE] * 2


async def test_one_that_is_due_after_a_transaction_was_lost_has_to_wait(
    database: SQLiteDatabase, path: Path, checkpoints: list[str]
) -> None:
    """There is no connection just then, and those who wait for the writer must not wait for ever."""

    def lose_it(conn: Connection) -> None:
        assert isinstance(conn, SQLiteConnection)
        conn.driver.execute("ROLLBACK")

    database._writer._next_checkpoint = 0.0
    with pytest.raises(DatabaseUnavailable):
        await database.write(lose_it)
    async with asyncio.timeout(10):
        await put(database, path, "a")
    assert checkpoints == [], "that connection is closed"


async def test_a_log_that_has_grown_is_taken_back_and_then_left_until_it_has_grown_again(
    database: SQLiteDatabase, path: Path, checkpoints: list[str]
) -> None:
    database._writer._next_truncate = 1
    await put(database, path, "a")
    await put(database, path, "b", "c")
    assert checkpoints == [TRUNCATE, PASSIVE, PASSIVE]
    assert path.with_name("s3gw.db-wal").stat().st_size < 100_000
    assert database._writer._next_truncate == sqlite_writer.TRUNCATE_BYTES


async def test_a_reader_that_does_not_end_holds_up_one_group_and_not_the_next(
    database: SQLiteDatabase, path: Path, checkpoints: list[str]
) -> None:
    await put(database, path, "a")
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM settings").fetchall()
    checkpoints.clear()
    database._writer._next_truncate = 1
    await put(database, path, "b", "c", "d")
    assert checkpoints == [TRUNCATE, PASSIVE, PASSIVE]
    # It is tried again when the log has grown by a part of what it may usually have.
    size = path.with_name("s3gw.db-wal").stat().st_size
    assert size < database._writer._next_truncate < size + sqlite_writer.TRUNCATE_BYTES // 2
    reader.close()
