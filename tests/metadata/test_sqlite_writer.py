"""Group commit: who hears what when a member, the transaction, the COMMIT or the process fails."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import math
import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from sqlalchemy import bindparam, insert, select, text

from s3gw.errors import PreconditionFailed
from s3gw.metadata import sqlite_writer
from s3gw.metadata.database import Connection, DatabaseFull, DatabaseUnavailable
from s3gw.metadata.prepared import Prepared
from s3gw.metadata.schema import settings
from s3gw.metadata.sqlite import SQLiteDatabase
from s3gw.metadata.sqlite_connection import SQLiteConnection
from s3gw.metadata.sqlite_files import WriterLock
from s3gw.metadata.sqlite_writer import WriterConnection

pytestmark = pytest.mark.anyio

_set = Prepared(insert(settings).values(name=bindparam("name"), value=bindparam("value")))
_all = Prepared(select(settings.c.name).order_by(settings.c.name))


@pytest.fixture
def path(sqlite_url: str) -> Path:
    return Path(sqlite_url.removeprefix("sqlite:///"))


@pytest.fixture
def database(path: Path) -> Iterator[SQLiteDatabase]:
    opened = SQLiteDatabase(path)
    yield opened
    asyncio.run(opened.close())


def _put(conn: Connection, name: str, value: str = "v") -> str:
    _set.run(conn, name=name, value=value)
    return name


def _refuse(conn: Connection, name: str) -> None:
    _put(conn, name)
    raise PreconditionFailed()


def _names(conn: Connection) -> list[str]:
    return [row[0] for row in _all.all(conn)]


def _stored(path: Path) -> list[str]:
    """What another connection sees."""
    conn = sqlite3.connect(path)
    try:
        return [row[0] for row in conn.execute("SELECT name FROM settings ORDER BY name")]
    finally:
        conn.close()


def _pragma(value: str) -> Any:
    def run(conn: Connection) -> None:
        assert isinstance(conn, SQLiteConnection)
        conn.driver.execute(f"PRAGMA {value}").fetchall()

    return run


@pytest.fixture
def groups(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of the groups that were committed."""
    sizes: list[int] = []
    deliver = sqlite_writer._deliver

    def count(group: list[sqlite_writer.Outcome]) -> None:
        sizes.append(len(group))
        deliver(group)

    monkeypatch.setattr(sqlite_writer, "_deliver", count)
    return sizes


async def test_writes_of_one_turn_of_the_event_loop_share_a_commit(database: SQLiteDatabase, groups: list[int]) -> None:
    await asyncio.gather(*(database.write(_put, f"n{n}") for n in range(32)))
    assert groups == [32]


async def test_what_comes_while_a_group_runs_joins_it(
    database: SQLiteDatabase, groups: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_writer, "MAX_GROUP_SECONDS", 10)
    running, go = threading.Event(), threading.Event()

    def wait(conn: Connection) -> None:
        running.set()
        assert go.wait(10)

    first = asyncio.create_task(database.write(wait))
    assert await asyncio.to_thread(running.wait, 10)
    others = []
    for name in ("a", "b", "c"):  # each in a turn of the event loop, and handed over, by itself
        others.append(asyncio.create_task(database.write(_put, name)))
        await asyncio.sleep(0.01)
    go.set()
    await asyncio.gather(first, *others)
    assert groups == [4]


async def test_a_group_is_bounded(database: SQLiteDatabase, groups: list[int]) -> None:
    await asyncio.gather(*(database.write(_put, f"n{n}") for n in range(sqlite_writer.MAX_GROUP + 1)))
    assert groups == [sqlite_writer.MAX_GROUP, 1]


async def test_a_group_is_bounded_in_time(
    database: SQLiteDatabase, groups: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_writer, "MAX_GROUP_SECONDS", 0.01)
    await asyncio.gather(*(database.write(lambda conn: time.sleep(0.02)) for _ in range(3)))
    assert groups == [1, 1, 1]


async def test_results_and_refusals_arrive_only_after_the_commit(database: SQLiteDatabase, path: Path) -> None:
    seen: list[list[str]] = []

    async def watch(name: str, refuse: bool) -> None:
        with suppress(PreconditionFailed):
            await database.write(_refuse if refuse else _put, name)
        seen.append(_stored(path))

    await asyncio.gather(watch("a", False), watch("b", True), watch("c", False))
    assert seen == [["a", "c"]] * 3


async def test_a_failed_member_is_rolled_back_alone(database: SQLiteDatabase, path: Path) -> None:
    outcomes = await asyncio.gather(
        database.write(_put, "a"), database.write(_refuse, "b"), database.write(_put, "c"), return_exceptions=True
    )
    assert outcomes[0] == "a"
    assert isinstance(outcomes[1], PreconditionFailed)
    assert outcomes[2] == "c"
    assert _stored(path) == ["a", "c"]


async def test_a_violated_constraint_has_nothing_else_of_its_group_done_again(
    database: SQLiteDatabase, groups: list[int]
) -> None:
    begun: list[str] = []

    def counted(conn: Connection, name: str) -> str:
        begun.append(name)
        return _put(conn, name)

    await asyncio.gather(
        *(database.write(counted, name) for name in ("first", "first", "second")), return_exceptions=True
    )
    assert (begun, groups) == (["first", "first", "second"], [3])


async def test_a_commit_that_fails_fails_its_whole_group_and_the_next_one_succeeds(
    database: SQLiteDatabase, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_the_commit(conn: Connection) -> None:
        assert isinstance(conn, SQLiteConnection)
        conn.driver.execute("PRAGMA defer_foreign_keys = ON")  # checked by COMMIT: no faulty disk is needed
        columns = "id, name, owner_id, region, versioning, created_at"
        conn.driver.execute(f"INSERT INTO buckets ({columns}) VALUES (1, 'b', 'nobody', '', '', 0)")

    monkeypatch.setattr(sqlite_writer, "MAX_GROUP_SECONDS", 60)  # or a slow machine makes it two groups
    outcomes = await asyncio.gather(
        database.write(_put, "a"),
        database.write(_refuse, "b"),
        database.write(break_the_commit),
        database.write(_put, "c"),
        return_exceptions=True,
    )
    assert [type(outcome) for outcome in outcomes] == [DatabaseUnavailable] * 4
    assert len({id(outcome) for outcome in outcomes}) == 4
    assert {type(outcome.__cause__) for outcome in outcomes if isinstance(outcome, BaseException)} == {
        sqlite3.IntegrityError
    }
    fault = database.write_fault()
    assert fault is not None and isinstance(fault.__cause__, sqlite3.IntegrityError)
    assert _stored(path) == []
    assert await database.write(_put, "d") == "d"
    assert _stored(path) == ["d"]


async def test_a_writer_at_rest_keeps_nobody_from_writing(database: SQLiteDatabase, path: Path) -> None:
    await database.write(_put, "a")
    lock = os.open(path.with_name("s3gw.db.writer.lock"), os.O_RDWR)
    async with asyncio.timeout(10):
        while True:
            with suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            await asyncio.sleep(0.01)
    os.close(lock)


async def test_who_waits_hears_of_a_lock_or_a_connection_that_can_not_be_had(
    database: SQLiteDatabase, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    def fail_to_connect(*_: Any) -> None:
        raise DatabaseUnavailable("unable to open database file")

    async with asyncio.timeout(10):
        with monkeypatch.context() as patch:
            patch.setattr(WriterLock, "acquire", fail)
            for _ in range(2):
                with pytest.raises(DatabaseUnavailable, match=r"can't be had: No locks available$"):
                    await database.write(_put, "a")
        assert "No locks available" in str(database.write_fault())
        await database.write(_put, "between")  # and not what was refused, too
        assert database.write_fault() is None
        with monkeypatch.context() as patch:
            patch.setattr(sqlite_writer, "WriterConnection", fail_to_connect)
            database._writer._discard_connection()  # as after a transaction that was lost
            for _ in range(2):
                outcomes = await asyncio.gather(*(database.write(_put, n) for n in "bc"), return_exceptions=True)
                assert [str(outcome) for outcome in outcomes] == [
                    "the transaction was lost: unable to open database file"
                ] * 2
        await database.write(_put, "d")
    assert _stored(path) == ["between", "d"]


async def test_a_disk_that_fails_between_two_groups_ends_nobodys_wait(
    database: SQLiteDatabase, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the thread meets there, those who wait are answered by what becomes of their own transaction."""
    there = os.stat

    def failing(target: Any, *rest: Any, **others: Any) -> os.stat_result:
        if str(target).endswith("-wal"):
            raise OSError(errno.EIO, "Input/output error")
        return there(target, *rest, **others)

    monkeypatch.setattr(sqlite_writer, "CHECKPOINT_WRITES", 1)
    monkeypatch.setattr(os, "stat", failing)
    async with asyncio.timeout(10):
        assert [await database.write(_put, name) for name in "abc"] == ["a", "b", "c"]
    assert database.write_fault() is None
    assert _stored(path) == ["a", "b", "c"]


async def test_a_disk_that_fills_up_in_the_middle_of_a_group_tells_nobody_success(
    database: SQLiteDatabase, path: Path, groups: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    await database.write(_put, "before")
    pages = await database.read(lambda conn: conn.execute(text("PRAGMA page_count")).scalar_one()) + 15  # for one value

    def connect_to_a_full_disk(engine: Any) -> WriterConnection:
        conn = WriterConnection(engine)
        for pragma in (
            f"max_page_count = {pages}",
            "cache_size = 5",
        ):  # pages are spilled to the full disk before COMMIT
            _pragma(pragma)(conn)
        return conn

    monkeypatch.setattr(sqlite_writer, "WriterConnection", connect_to_a_full_disk)
    await database.write(_pragma(f"max_page_count = {pages}"))
    await database.write(_pragma("cache_size = 5"))
    writes = [database.write(_put, f"n{n}", "x" * 50_000) for n in range(10)]
    outcomes = await asyncio.gather(*writes, return_exceptions=True)
    told_success = sorted(outcome for outcome in outcomes if isinstance(outcome, str))
    failed = [outcome for outcome in outcomes if not isinstance(outcome, str)]
    assert failed
    assert {type(outcome) for outcome in failed} == {DatabaseFull}
    assert told_success, "what fits is written: each is tried by itself"
    assert _stored(path) == ["before", *told_success]
    # Nothing half-written: the values that are there are whole.
    sizes = await database.scan(lambda conn: conn.execute(select(settings.c.value)).scalars().all())
    assert {len(size) for size in sizes} <= {1, 50_000}
    groups.clear()
    await asyncio.gather(*(database.write(_pragma("cache_size = 5")) for _ in range(5)))
    assert groups == [5], "they are written together again"


async def test_the_writer_outlives_a_lack_of_memory(
    database: SQLiteDatabase, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_writer, "_in_transaction", Mock(side_effect=[MemoryError, True]))
    with pytest.raises(DatabaseUnavailable):
        await database.write(_put, "lost")
    await database.write(_put, "kept")
    assert _stored(path) == ["kept"]


async def test_an_error_that_ends_the_transaction_loses_the_whole_group(database: SQLiteDatabase, path: Path) -> None:
    ran: list[str] = []

    def end_the_transaction(conn: Connection) -> None:
        # What SQLITE_FULL does in the worst case, and a function that swallows the error and goes on.
        assert isinstance(conn, WriterConnection)
        conn.driver.execute("ROLLBACK")
        try:
            _put(conn, "a")
            _put(conn, "a")  # fails: already there
        except Exception:
            ran.append("swallowed")
        try:
            _put(conn, "on its own")
        except sqlite3.ProgrammingError:
            ran.append("closed")

    outcomes = await asyncio.gather(
        database.write(_put, "early"),
        database.write(end_the_transaction),
        database.write(_put, "late"),
        return_exceptions=True,
    )
    assert isinstance(outcomes[0], DatabaseUnavailable)
    assert isinstance(outcomes[1], DatabaseUnavailable)
    assert outcomes[2] == "late"  # had not begun: it is in a group of its own
    assert ran == ["swallowed", "closed"]
    assert "early" not in _stored(path)
    assert "on its own" not in _stored(path)


async def test_a_caller_that_has_gone_does_not_keep_its_group_from_answers(
    database: SQLiteDatabase, path: Path
) -> None:
    tasks = [asyncio.create_task(database.write(_put, f"n{n}")) for n in range(4)]
    await asyncio.sleep(0)
    tasks[1].cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [isinstance(outcome, asyncio.CancelledError) for outcome in outcomes] == [False, True, False, False]
    await database.write(_put, "last")
    assert _stored(path) == ["last", "n0", "n1", "n2", "n3"]


async def test_whatever_a_function_raises_reaches_its_caller(database: SQLiteDatabase) -> None:
    def stop(conn: Connection) -> None:
        raise StopIteration

    def leave(conn: Connection) -> None:
        raise asyncio.CancelledError

    outcomes = await asyncio.gather(
        database.write(stop), database.write(leave), database.write(_put, "a"), return_exceptions=True
    )
    assert isinstance(outcomes[0], RuntimeError)
    assert isinstance(outcomes[1], asyncio.CancelledError)
    assert outcomes[2] == "a"


async def test_a_writer_alone_is_not_delayed(database: SQLiteDatabase) -> None:
    await database.write(_put, "warm")
    begin = time.perf_counter()
    for number in range(50):
        await database.write(_put, f"n{number}")
    assert (time.perf_counter() - begin) / 50 < 0.05


_WRITE_FROM_ANOTHER_PROCESS = """
import asyncio, sys
from pathlib import Path
from sqlalchemy import insert
from s3gw.metadata.engines import open_database
from s3gw.metadata.schema import settings

async def main(url, name):
    database = open_database(url, Path())
    for batch in range(10):
        statements = [insert(settings).values(name=f"{name}-{batch}-{n}", value="v") for n in range(10)]
        await asyncio.gather(*(database.write(lambda conn, s=s: conn.execute(s).rowcount) for s in statements))
        print(batch, flush=True)
    await database.close()

asyncio.run(main(*sys.argv[1:]))
"""


def _start(url: str, name: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", _WRITE_FROM_ANOTHER_PROCESS, url, name]
    root = Path(__file__).parents[2]
    return subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(root)})


def test_processes_that_write_at_the_same_time_lose_nothing(sqlite_url: str, path: Path) -> None:
    processes = [_start(sqlite_url, name) for name in ("a", "b", "c")]
    for process in processes:
        process.communicate(timeout=60)
        assert process.returncode == 0
    assert len(_stored(path)) == 300


def test_what_a_killed_process_acknowledged_is_there_and_others_go_on(sqlite_url: str, path: Path) -> None:
    process = _start(sqlite_url, "killed")
    assert process.stdout is not None
    assert process.stdout.readline() == b"0\n"
    process.kill()
    process.communicate()
    assert {f"killed-0-{n}" for n in range(10)} <= set(_stored(path))
    other = _start(sqlite_url, "other")
    other.communicate(timeout=60)
    assert other.returncode == 0


async def test_the_write_ahead_log_stays_bounded_under_constant_reads_and_writes(
    database: SQLiteDatabase, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_writer, "CHECKPOINT_WRITES", 20)
    monkeypatch.setattr(sqlite_writer, "TRUNCATE_BYTES", 1 << 20)
    database._writer._next_truncate = 1 << 20
    stop = threading.Event()
    database._try_from = math.inf  # all scans in threads

    async def scan() -> None:
        while not stop.is_set():
            # Overlapping scans: at every moment one stands on a snapshot that is not the latest.
            await database.scan(_slowly)

    scans = [asyncio.create_task(scan()) for _ in range(3)]
    largest = 0
    for batch in range(20):
        await asyncio.gather(*(database.write(_put, f"{batch}-{n}", "x" * 20_000) for n in range(20)))
        largest = max(largest, path.with_name("s3gw.db-wal").stat().st_size)
    stop.set()
    await asyncio.gather(*scans)
    assert largest < 4 << 20  # of 8 MiB that were written


def _slowly(conn: Connection) -> None:
    assert isinstance(conn, SQLiteConnection)
    for _ in conn.driver.execute("SELECT name FROM settings"):
        time.sleep(0.0005)


def _count_to(threads: list[bool], conn: Connection, most: int) -> int:
    """Takes about 100 ns each. Notes whether it runs in a thread."""
    threads.append(threading.current_thread() is not threading.main_thread())
    counting = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :most) SELECT max(i) FROM n"
    return int(conn.execute(text(counting), {"most": most}).scalar_one())


async def test_a_scan_that_waits_for_the_disk_is_ended_sooner(
    database: SQLiteDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("s3gw.metadata.sqlite_connection._MOST_TRIED_SECONDS", 60.0)
    threads: list[bool] = []
    assert await database.scan(partial(_count_to, threads), 500_000) == 500_000
    assert threads == [False]
    monkeypatch.setattr("s3gw.metadata.sqlite_connection._disk_reads", count().__next__)
    assert await database.scan(partial(_count_to, threads), 500_000) == 500_000
    assert threads == [False, False, True]


async def test_a_scan_that_is_slow_on_the_event_loop_is_begun_again_in_a_thread(
    database: SQLiteDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    database._scan_seconds = 60.0  # whatever else runs here
    monkeypatch.setattr("s3gw.metadata.sqlite._LEAST_PAUSE", 60.0)
    monkeypatch.setattr("s3gw.metadata.sqlite._MOST_PAUSE", 60.0)
    threads: list[bool] = []
    count_to = partial(_count_to, threads)
    assert await database.scan(count_to, 100) == 100
    for _ in range(5):
        assert await database.scan(count_to, 1_500_000) == 1_500_000
    assert threads == [False] + 4 * [False, True] + [True]  # the last wasn't tried on the event loop
    database._try_from = 0.0  # the pause is over
    assert await database.scan(count_to, 100) == 100
    assert not threads[-1]


async def test_a_scan_longer_than_its_limit_is_ended(database: SQLiteDatabase) -> None:
    database._scan_seconds = 0.05
    endless = Prepared(
        select(select(settings.c.name).cte("n", recursive=True).union_all(select(settings.c.name)).c.name).limit(1)
    )
    await database.write(_put, "a")

    def count_for_ever(conn: Connection) -> None:
        forever = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
        conn.execute(text(forever))

    assert await database.scan(endless.all)
    with pytest.raises(DatabaseUnavailable, match="interrupted"):
        await database.scan(count_for_ever)
    assert await database.scan(_names) == ["a"]
