"""SQLite beneath the door: what the reads of one turn share, whose turn it is beside scans, and what closing leaves."""

from __future__ import annotations

import asyncio
import gc
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import bindparam, insert, select

from s3gw.disks.reserve import Reserve
from s3gw.metadata import sqlite_files
from s3gw.metadata.database import Connection, DatabaseReadOnly, DatabaseUnavailable, UnsuitableDatabase
from s3gw.metadata.migrate import upgrade
from s3gw.metadata.prepared import Prepared
from s3gw.metadata.schema import settings
from s3gw.metadata.sqlite import SCAN_THREADS, SQLiteDatabase
from s3gw.metadata.sqlite_connection import SQLiteConnection
from tests.disks.small_disks import small_disk

pytestmark = pytest.mark.anyio

_set = Prepared(insert(settings).values(name=bindparam("name"), value="v"))
_all = Prepared(select(settings.c.name).order_by(settings.c.name))


@pytest.fixture
def path(sqlite_url: str) -> Path:
    return Path(sqlite_url.removeprefix("sqlite:///"))


@pytest.fixture
def database(path: Path) -> Iterator[SQLiteDatabase]:
    opened = SQLiteDatabase(path)
    yield opened
    asyncio.run(opened.close())


def put(conn: Connection, name: str) -> None:
    _set.run(conn, name=name)


def names(conn: Connection) -> list[str]:
    return [row[0] for row in _all.all(conn)]


def put_by_another(path: Path, name: str) -> None:
    """As another process would."""
    conn = sqlite3.connect(path)
    with conn:
        conn.execute("INSERT INTO settings (name, value) VALUES (?, 'v')", (name,))
    conn.close()


def open_files() -> int:
    gc.collect()  # what another test has left is closed before it is counted
    return len(os.listdir("/dev/fd"))


async def test_all_reads_of_a_turn_see_one_state_and_those_of_the_next_the_newest(
    database: SQLiteDatabase, path: Path
) -> None:
    for read in (database.read, database.read_shared):
        before = await read(names)
        put_by_another(path, f"n{len(before)}")
        assert await database.read(names) == before
        await asyncio.sleep(0)
        assert len(await read(names)) == len(before) + 1
        await asyncio.sleep(0)


async def test_what_is_asked_alike_in_a_turn_is_asked_once(database: SQLiteDatabase) -> None:
    asked: list[str] = []

    def ask(conn: Connection, name: str) -> str:
        asked.append(name)
        return name

    for _ in range(2):
        for name in ("a", "b", "a"):
            assert await database.read_shared(ask, name) == name
        await asyncio.sleep(0)
    assert asked == ["a", "b"] * 2


@pytest.mark.parametrize("door", ["read", "read_shared"])
def test_an_event_loop_that_was_closed_in_the_middle_of_a_turn_hides_nothing_from_the_next(
    path: Path, door: str
) -> None:
    database = SQLiteDatabase(path)

    def read_and_stop() -> None:
        with pytest.raises(StopIteration):
            getattr(database, door)(names).send(None)
        loop.stop()

    loop = asyncio.new_event_loop()
    loop.call_soon(read_and_stop)
    loop.run_forever()
    loop.close()
    put_by_another(path, "a")
    assert asyncio.run(getattr(database, door)(names)) == ["a"]
    asyncio.run(database.close())


async def test_a_scan_sees_one_state(database: SQLiteDatabase, path: Path) -> None:
    def twice(conn: Connection) -> tuple[list[str], list[str]]:
        first = names(conn)
        put_by_another(path, "a")
        return first, names(conn)

    assert await database.scan(twice) == ([], [])
    assert await database.scan(names) == ["a"]


async def test_a_scan_whose_transaction_an_error_has_ended_raises_that_error(database: SQLiteDatabase) -> None:
    def fail(conn: Connection) -> None:
        assert isinstance(conn, SQLiteConnection)
        conn.driver.execute("ROLLBACK")  # as SQLite does by itself when the disk fails
        raise DatabaseUnavailable("the disk failed")

    with pytest.raises(DatabaseUnavailable, match="the disk failed"):
        await database.scan(fail)


async def test_between_scans_on_the_event_loop_others_have_their_turn(database: SQLiteDatabase) -> None:
    seen: list[str] = []

    async def others() -> None:
        while True:
            seen.append("others")
            await asyncio.sleep(0)

    turns = asyncio.create_task(others())
    for _ in range(3):
        await database.scan(lambda conn: seen.append("scan"))
    turns.cancel()
    assert seen == ["scan", "others"] * 3


async def test_closing_empties_the_write_ahead_log_and_leaves_nothing_open(path: Path) -> None:
    before = open_files()
    database = SQLiteDatabase(path)
    await database.write(put, "a")
    await database.read(names)
    database._try_from = float("inf")  # in a thread, which has a connection of its own
    await database.scan(names)
    await database.close()
    assert sorted(file.name for file in path.parent.glob("s3gw.db*") if file.suffix != ".lock") == ["s3gw.db"]
    assert open_files() == before
    assert sqlite3.connect(path).execute("SELECT name FROM settings").fetchall() == [("a",)]


async def test_closing_waits_for_the_write_that_runs(path: Path) -> None:
    begun, ended = threading.Event(), threading.Event()

    def write_slowly(conn: Connection) -> None:
        begun.set()
        time.sleep(0.1)
        put(conn, "a")
        ended.set()

    database = SQLiteDatabase(path)
    writing = asyncio.create_task(database.write(write_slowly))
    assert await asyncio.to_thread(begun.wait, 10)
    await database.close()
    assert ended.is_set()
    await writing


def test_what_can_not_be_opened_is_unavailable_and_not_kept_open(tmp_path: Path) -> None:
    before = open_files()
    with pytest.raises(DatabaseUnavailable):
        SQLiteDatabase(tmp_path)
    assert open_files() == before


async def test_scans_in_threads_have_a_connection_for_each_thread(database: SQLiteDatabase) -> None:
    database._try_from = float("inf")
    for _ in range(3):
        await asyncio.gather(*(database.scan(names) for _ in range(3)))
    assert len(database._scan_connections) <= SCAN_THREADS


async def test_on_a_full_disk_a_database_is_opened_from_its_reserve_or_not_at_all(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "16m") as disk:
        await asyncio.to_thread(upgrade, None, disk.folder)
        Reserve(disk.folder).fill(0)
        disk.fill()
        database = SQLiteDatabase(disk.folder / "s3gw.db")
        await database.close()
        assert Reserve(disk.folder).was_given_up
        while Reserve(disk.folder).release():
            pass
        disk.fill()
        with pytest.raises(DatabaseUnavailable):
            SQLiteDatabase(disk.folder / "s3gw.db")


async def test_a_read_only_disk_can_be_read_and_says_so_to_who_writes(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        await asyncio.to_thread(upgrade, None, disk.folder)
        put_by_another(disk.folder / "s3gw.db", "a")
        disk.remount("ro")
        database = SQLiteDatabase(disk.folder / "s3gw.db")
        assert database.is_read_only
        assert await database.read(names) == await database.scan(names) == ["a", "oldest_reader"]
        with pytest.raises(DatabaseReadOnly):
            await database.write(put, "b")
        assert isinstance(database.write_fault(), DatabaseReadOnly)
        await database.close()


def test_a_network_file_system_is_refused_wherever_a_database_is_opened_or_made(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_files, "_file_system", lambda path, mounts: "nfs4")  # which no test machine has
    with pytest.raises(UnsuitableDatabase, match="network"):
        SQLiteDatabase(path)
    with pytest.raises(UnsuitableDatabase, match="network"):
        upgrade(None, tmp_path / "new")
    assert not list((tmp_path / "new").iterdir())
