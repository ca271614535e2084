"""What only PostgreSQL does: advisory locks, running again, and servers that are refused."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import bindparam, func, insert, select, text, update

from s3gw.metadata import files, listing
from s3gw.metadata.database import (
    Connection,
    DatabaseFull,
    DatabaseReadOnly,
    DatabaseUnavailable,
    UnsuitableDatabase,
    now,
)
from s3gw.metadata.engines import open_database
from s3gw.metadata.migrate import _LOCK
from s3gw.metadata.migrate import upgrade as migrate
from s3gw.metadata.postgresql import MAX_ATTEMPTS, WRITERS, PostgreSQLDatabase
from s3gw.metadata.prepared import Prepared
from s3gw.metadata.schema import objects, settings
from tests.metadata.test_listing import _row, fill
from tests.postgresql import Server, run_server

pytestmark = pytest.mark.anyio

_set = Prepared(insert(settings).values(name=bindparam("name"), value=bindparam("value")))
_get = Prepared(select(settings.c.value).where(settings.c.name == bindparam("name")))
_backend = Prepared(select(func.pg_backend_pid()))
_pause = Prepared(select(func.pg_sleep(bindparam("seconds"))))  # in which others go on
_serialization_failure = Prepared(text("DO $$ BEGIN RAISE SQLSTATE '40001'; END $$"))
_lock = Prepared(update(settings).where(settings.c.name == bindparam("name")).values(value=bindparam("new")))


@pytest.fixture
def database(postgresql_url: str) -> Iterator[PostgreSQLDatabase]:
    opened = PostgreSQLDatabase(postgresql_url)
    yield opened
    asyncio.run(opened.close())


def _put(conn: Connection, name: str, value: str = "v") -> None:
    _set.run(conn, name=name, value=value)


async def test_writes_of_many_keys_take_turns_so_that_postgresql_has_room_for_all_locks(
    database: PostgreSQLDatabase,
) -> None:
    held: list[int] = []

    def count(conn: Connection) -> None:
        time.sleep(0.02)  # in which others would begin
        here = "database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        advisory = f"SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND {here}"
        held.append(conn.execute(text(advisory)).scalar_one())

    async def write(number: int, keys: int) -> None:
        await database.write(count, keys=[f"{number}/{key}" for key in range(keys)])

    await asyncio.gather(*(write(number, 3000) for number in range(WRITERS)))
    assert max(held) <= 3001
    held.clear()
    await asyncio.gather(*(write(number, 100) for number in range(WRITERS)))
    assert max(held) > 100


async def test_writers_that_deadlock_are_run_again(database: PostgreSQLDatabase) -> None:
    await database.write(_put, "a")
    await database.write(_put, "b")
    runs, held = [], set[str]()

    def cross(conn: Connection, first: str, second: str) -> None:
        runs.append(first)
        _lock.run(conn, name=first, new=f"{first}{second}")
        while len(held) < 2:
            held.add(first)
            _pause.all(conn, seconds=0.02)
        _lock.run(conn, name=second, new=f"{first}{second}")

    await asyncio.gather(database.write(cross, "a", "b"), database.write(cross, "b", "a"))
    assert 3 <= len(runs) <= MAX_ATTEMPTS
    values = [await database.read(_get.one_or_none, name=name) for name in ("a", "b")]
    assert values[0] == values[1]


async def test_a_serialization_failure_is_run_again(database: PostgreSQLDatabase) -> None:
    runs = []

    def fail_twice(conn: Connection) -> int:
        runs.append(1)
        if len(runs) < 3:
            _serialization_failure.run(conn)
        return len(runs)

    assert await database.write(fail_twice) == 3


async def test_what_fails_8_times_is_given_up(database: PostgreSQLDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("s3gw.metadata.postgresql.random.uniform", lambda least, most: 0.0)
    runs = []

    def fail(conn: Connection) -> None:
        runs.append(1)
        _serialization_failure.run(conn)

    with pytest.raises(DatabaseUnavailable):
        await database.write(fail)
    assert len(runs) == MAX_ATTEMPTS == 8


async def test_writers_of_a_key_that_is_held_leave_the_connections_to_others(database: PostgreSQLDatabase) -> None:
    go_on = asyncio.Event()

    def hold(conn: Connection) -> None:
        while not go_on.is_set():
            _pause.all(conn, seconds=0.01)

    held = [asyncio.create_task(database.write(hold, keys=["k"])) for _ in range(WRITERS + 2)]
    await asyncio.sleep(0.05)
    await asyncio.wait_for(database.write(_put, "other", keys=["another"]), 5)
    go_on.set()
    await asyncio.gather(*held)


async def test_writers_of_a_key_exclude_each_other_between_nodes(postgresql_url: str) -> None:
    nodes = [PostgreSQLDatabase(postgresql_url) for _ in range(2)]
    inside: list[int] = []

    def work(conn: Connection) -> None:
        _pause.all(conn, seconds=0)  # with the first statement it has its turn
        inside.append(1)
        assert len(inside) == 1
        _pause.all(conn, seconds=0.01)
        inside.pop()

    try:
        await asyncio.gather(*(nodes[n % 2].write(work, keys=["x", "y"]) for n in range(20)))
    finally:
        for node in nodes:
            await node.close()


async def test_writes_run_at_read_committed_whatever_the_server_defaults_to(
    postgresql: Server, postgresql_url: str
) -> None:
    name = postgresql_url.rpartition("/")[2]
    postgresql.execute(f"ALTER DATABASE {name} SET default_transaction_isolation = 'serializable'")
    database = PostgreSQLDatabase(postgresql_url)
    level = text("SHOW transaction_isolation")
    for run in (database.read, database.write):
        assert await run(lambda conn: conn.execute(level).scalar_one()) == "read committed"
    await database.close()


async def test_the_time_is_that_of_the_server_which_all_nodes_share(
    database: PostgreSQLDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = time.time_ns() // 1000
    monkeypatch.setattr(time, "time_ns", lambda: 0)  # as on a node whose clock is wrong
    assert abs(await database.read(now) - real) < 60e6


def _terminate_others(conn: Connection) -> None:
    others = "pid <> pg_backend_pid() AND datname = current_database()"
    conn.execute(text(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}"))


async def test_a_connection_lost_in_a_write_makes_it_unavailable_and_the_next_one_succeeds(
    database: PostgreSQLDatabase, postgresql: Server
) -> None:
    def lose(conn: Connection) -> None:
        _put(conn, "lost")
        pid = _backend.value(conn)
        postgresql.execute(f"SELECT pg_terminate_backend({pid})")
        _get.one_or_none(conn, name="lost")

    with pytest.raises(DatabaseUnavailable):
        await database.write(lose)
    await database.write(_put, "kept")
    assert await database.read(_get.one_or_none, name="lost") is None


async def test_reads_survive_that_the_server_closed_their_connections(database: PostgreSQLDatabase) -> None:
    await database.write(_put, "a")
    await asyncio.gather(*(database.read(_get.one_or_none, name="a") for _ in range(8)))
    if database._reads._opening:  # one that is ended while it is opened is told to who waits for it
        await asyncio.wait(set(database._reads._opening))
    await database.write(_terminate_others)
    assert await database.read(_get.one_or_none, name="a") == ("v",)


async def test_a_server_that_can_not_be_reached_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnavailable):
        open_database("postgresql://127.0.0.1:1/none", tmp_path)


@pytest.mark.parametrize("setting", ["fsync", "synchronous_commit"])
def test_a_server_that_forgets_what_it_acknowledged_is_refused(setting: str, tmp_path: Path) -> None:
    for server in run_server("-c", f"{setting}=off"):
        for refused in (open_database, migrate):
            with pytest.raises(UnsuitableDatabase, match=f"{setting} = off"):
                refused(server.url(), tmp_path)


async def test_a_prepared_statement_is_one_statement_of_the_server_whatever_its_values(
    database: PostgreSQLDatabase,
) -> None:
    add = Prepared(insert(objects).values({column.name: bindparam(column.name) for column in objects.c}))
    find = Prepared(select(objects.c.etag).where(objects.c.size == bindparam("size")))

    def work(conn: Connection) -> int:
        assert add.form("postgresql").names
        for size in (1, 1 << 20, 1 << 40, 1):
            find.all(conn, size=size)
        return int(conn.execute(text("SELECT count(*) FROM pg_prepared_statements")).scalar_one())

    assert await database.write(work) == 1


async def test_the_partial_index_of_current_rows_is_used(database: PostgreSQLDatabase) -> None:
    current = Prepared(
        select(objects.c.etag).where(objects.c.bucket_id == 1, objects.c.key == "k", objects.c.is_current == 1)
    )

    def explain(conn: Connection) -> str:
        conn.execute(text("SET LOCAL enable_seqscan = off"))
        conn.execute(text("DROP INDEX ux_objects_null_version"))
        conn.execute(text("ALTER TABLE objects DROP CONSTRAINT pk_objects"))
        sql = current.form("postgresql").sql
        return str(conn.execute(text(f"EXPLAIN {sql}")).all())

    assert "ux_objects_current" in await database.write(explain)


async def test_pages_of_a_large_bucket_read_their_rows_alone_before_there_are_statistics(
    database: PostgreSQLDatabase,
) -> None:
    """As after an import: the planner takes the bucket for small until autovacuum has looked at it."""
    keys = [f"folder/{number:05}" for number in range(5000)]

    def import_all(conn: Connection) -> None:
        conn.execute(text("ALTER TABLE objects SET (autovacuum_enabled = false)"))
        fill(conn, [])
        conn.execute(insert(objects), [_row(key) for key in keys])

    def rows_read(conn: Connection, read: Callable[..., Any], given: dict[str, Any]) -> tuple[Any, int]:
        counted = text("SELECT idx_tup_fetch + seq_tup_read FROM pg_stat_xact_user_tables WHERE relname = 'objects'")
        before = conn.execute(counted).scalar_one()  # of the session's transactions before, if they aren't told yet
        found = read(conn, bucket_id=1, **given)
        return found, conn.execute(counted).scalar_one() - before

    await database.write(import_all)
    asked = {"prefix": "folder/", "delimiter": "/", "after": "", "at_least": "", "limit": 10}
    page, read = await database.write(rows_read, listing.list_current, asked)
    assert [row[0] for row in page.rows] == keys[:10] and read <= 40
    found, read = await database.write(rows_read, files.of_keys, {"keys": ["folder/00007", "none", "folder/04999"]})
    assert sorted(found) == ["folder/00007", "folder/04999"] and read <= 4


def test_nodes_that_start_at_the_same_time_migrate_once(postgresql: Server, tmp_path: Path) -> None:
    url = postgresql.url(postgresql.create_database("template0"))
    threads = [threading.Thread(target=migrate, args=(url, tmp_path)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT count(*) FROM alembic_version").fetchone() == (1,)


def test_a_node_waits_for_another_longer_than_the_server_lets_others_wait(postgresql: Server, tmp_path: Path) -> None:
    name = postgresql.create_database("template0")
    postgresql.execute(f"ALTER DATABASE {name} SET lock_timeout = '20ms'")
    with ThreadPoolExecutor(1) as thread:
        with psycopg.connect(postgresql.url(name)) as other:
            other.execute(f"SELECT pg_advisory_lock({_LOCK})")
            node = thread.submit(migrate, postgresql.url(name), tmp_path)
            time.sleep(0.3)
            assert not node.done()
        node.result(60)


@pytest.mark.parametrize(("state", "kind"), [("53100", DatabaseFull), ("25006", DatabaseReadOnly)])
async def test_a_server_whose_disk_is_full_or_that_is_read_only_says_so(
    database: PostgreSQLDatabase, state: str, kind: type[DatabaseUnavailable]
) -> None:
    def fail(conn: Connection) -> None:
        conn.execute(text(f"DO $$ BEGIN RAISE EXCEPTION 'refused' USING ERRCODE = '{state}'; END $$"))

    with pytest.raises(kind):
        await database.write(fail)
    assert type(database.write_fault()) is kind
    await database.write(lambda conn: None)
    assert database.write_fault() is None
