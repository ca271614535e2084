"""When the writer empties the write-ahead log into the database, and when it takes its file back."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import insert

from s3gw.metadata import sqlite_files, sqlite_writer
from s3gw.metadata.database import Connection
from s3gw.metadata.schema import settings
from s3gw.metadata.sqlite import SQLiteDatabase

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


async def put(database: SQLiteDatabase, *names: str) -> None:
    def insert_one(conn: Connection, name: str) -> None:
        conn.execute(insert(settings).values(name=name, value="v"))

    for name in names:
        await database.write(insert_one, name)
    await database.write(lambda conn: None)  # begins when the checkpoint after the one before it has ended


async def test_after_so_many_writes_or_seconds_there_is_one(
    database: SQLiteDatabase, checkpoints: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_writer, "CHECKPOINT_WRITES", 3)
    await put(database, "a")
    assert checkpoints == []
    await put(database, "b")  # with what the first call wrote last
    assert checkpoints == [PASSIVE]
    database._writer._next_checkpoint = 0.0
    await put(database, "c")
    assert checkpoints == [PASSIVE] * 2


async def test_a_log_that_has_grown_is_taken_back_and_then_left_until_it_has_grown_again(
    database: SQLiteDatabase, path: Path, checkpoints: list[str]
) -> None:
    database._writer._next_truncate = 1
    await put(database, "a")
    assert checkpoints[0] == TRUNCATE
    await put(database, "b", "c")
    assert set(checkpoints[1:]) == {PASSIVE}
    assert path.with_name("s3gw.db-wal").stat().st_size < 100_000
    assert database._writer._next_truncate == sqlite_writer.TRUNCATE_BYTES


async def test_a_reader_that_does_not_end_holds_up_one_group_and_not_the_next(
    database: SQLiteDatabase, path: Path, checkpoints: list[str]
) -> None:
    await put(database, "a")
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM settings").fetchall()
    checkpoints.clear()
    database._writer._next_truncate = 1
    await put(database, "b", "c", "d")
    assert checkpoints.count(TRUNCATE) == 1
    # It is tried again when the log has grown by a part of what it may usually have.
    size = path.with_name("s3gw.db-wal").stat().st_size
    assert size < database._writer._next_truncate < size + sqlite_writer.TRUNCATE_BYTES // 2
    reader.close()
