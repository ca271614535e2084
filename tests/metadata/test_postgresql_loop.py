"""Reads and writes of PostgreSQL on the event loop: each its own outcome, whatever becomes of callers and lines."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

import psycopg
import pytest
import uvloop
from sqlalchemy import BigInteger, LargeBinary, bindparam, func, insert, literal, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.util import await_only

from s3gw.metadata import postgresql as postgresql_module
from s3gw.metadata.database import Connection, DatabaseReadOnly, DatabaseUnavailable
from s3gw.metadata.postgresql import READERS, WRITERS, PostgreSQLDatabase, _Attempt
from s3gw.metadata.postgresql_loop import LoopConnection, WritingConnection
from s3gw.metadata.postgresql_server import LIMITS
from s3gw.metadata.prepared import Prepared
from s3gw.metadata.schema import settings
from tests.postgresql import Server

pytestmark = pytest.mark.anyio

_echo = Prepared(select(bindparam("body", type_=LargeBinary), func.pg_sleep(bindparam("seconds"))))
_length = Prepared(select(func.length(bindparam("body", type_=LargeBinary))))
_set = Prepared(insert(settings).values(name=bindparam("name"), value=bindparam("value")))
_names = Prepared(select(settings.c.name).where(settings.c.name != "store", settings.c.name != "oldest_reader"))
_backend = Prepared(select(func.pg_backend_pid()))
_inverse = Prepared(select(literal(1) / bindparam("number", type_=BigInteger)))


@pytest.fixture(params=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """Jobs run on the one, workers on the other; they tell in different ways that a connection is lost."""
    return "asyncio", {"loop_factory": uvloop.new_event_loop} if request.param == "uvloop" else {}


@pytest.fixture
async def database(postgresql_url: str) -> AsyncIterator[PostgreSQLDatabase]:
    opened = PostgreSQLDatabase(postgresql_url)
    yield opened
    await opened.close()


def echo(conn: Connection, body: bytes, seconds: float = 0) -> bytes:
    row = _echo.one_or_none(conn, body=body, seconds=seconds)
    assert row is not None and isinstance(conn, LoopConnection)
    return bytes(row[0])


async def _backends(database: PostgreSQLDatabase) -> list[int]:
    """The server's processes for what reads on the event loop."""

    def list_all(conn: Connection) -> list[int]:
        here = "datname = current_database() AND pid <> pg_backend_pid() AND query LIKE '%pg_sleep%'"
        return list(conn.execute(text(f"SELECT pid FROM pg_stat_activity WHERE {here}")).scalars())

    return await database.scan(list_all)


async def _until(what: Callable[[], Any]) -> None:
    async with asyncio.timeout(10):
        while not what():  # noqa: ASYNC110 -- nothing tells it
            await asyncio.sleep(0)


async def test_many_at_once_each_have_their_own_answer_and_few_connections(
    database: PostgreSQLDatabase, postgresql: Server
) -> None:
    bodies = [os.urandom(40) for _ in range(300)]
    assert await asyncio.gather(*(database.read(echo, body) for body in bodies)) == bodies
    assert 1 <= len(await _backends(database)) <= READERS


async def test_who_is_cancelled_leaves_a_connection_that_answers_others_rightly(
    database: PostgreSQLDatabase, postgresql: Server
) -> None:
    chance = random.Random(7)

    async def read(body: bytes) -> bool:
        """Whether it was cancelled."""
        reading = asyncio.create_task(database.read(echo, body, chance.choice((0, 0.002))))
        if chance.random() < 0.5:
            await asyncio.sleep(chance.uniform(0, 0.01))
            reading.cancel()
        try:
            assert await reading == body
        except asyncio.CancelledError:
            return True
        return False

    cancelled = await asyncio.gather(*(read(os.urandom(16)) for _ in range(400)))
    assert 50 < sum(cancelled) < 350
    body = os.urandom(16)
    assert await asyncio.gather(*(database.read(echo, body) for _ in range(READERS))) == READERS * [body]
    assert len(await _backends(database)) <= READERS
    assert len(database._reads._idle) == len(database._reads._lines) <= READERS


async def test_who_is_cancelled_while_something_is_prepared_leaves_a_connection_that_prepares_others(
    database: PostgreSQLDatabase,
) -> None:
    for _ in range(3):
        reading = asyncio.create_task(database.read(echo, b"abc", 0.1))
        await _until(lambda: any(line.is_busy for line in database._reads._lines))
        reading.cancel()
        await asyncio.wait([reading])
        await _until(lambda: bool(database._reads._idle))
    assert await database.read(_length.value, body=b"abc") == 3
    assert await database.read(echo, b"x") == b"x"
    assert len(database._reads._lines) == 1


async def test_what_the_socket_does_not_take_at_once_goes_when_it_takes_more(database: PostgreSQLDatabase) -> None:
    for size in (1, 20_000_000):
        assert await database.read(_length.value, body=bytes(size)) == size


async def test_a_connection_that_is_lost_under_a_read_is_opened_anew_and_the_read_done_again(
    database: PostgreSQLDatabase, postgresql: Server
) -> None:
    reading = asyncio.create_task(database.read(echo, b"first", 0.5))
    await _until(lambda: any(line.is_busy for line in database._reads._lines))
    (line,) = database._reads._lines
    postgresql.execute(f"SELECT pg_terminate_backend({line._pgconn.backend_pid})")
    assert await reading == b"first"
    assert len(database._reads._lines) == 1


async def test_connections_that_are_lost_while_nobody_reads_are_let_go(
    database: PostgreSQLDatabase, postgresql: Server
) -> None:
    await asyncio.gather(*(database.read(echo, b"x", 0.3) for _ in range(READERS)))
    assert len(database._reads._idle) == READERS
    for line in database._reads._lines:
        postgresql.execute(f"SELECT pg_terminate_backend({line._pgconn.backend_pid})")
    await _until(lambda: not database._reads._idle)
    assert not database._reads._lines
    assert await database.read(echo, b"x") == b"x"


@pytest.mark.parametrize("statements", [1, 2], ids=["one statement", "several"])
async def test_a_connection_that_was_lost_just_before_it_is_asked_is_opened_anew(
    database: PostgreSQLDatabase, postgresql: Server, statements: int
) -> None:
    """The server's last words are there, and what is sent then is answered by a reset: both are told as one event."""

    def ask(conn: Connection) -> bytes:
        for number in range(1, statements):
            conn.ask_together((_echo, {"body": b"%d" % number, "seconds": 0}))
        return echo(conn, b"x")

    assert await database.read(ask) == b"x"
    (line,) = database._reads._lines
    postgresql.execute(f"SELECT pg_terminate_backend({line._pgconn.backend_pid})")
    time.sleep(0.3)  # noqa: ASYNC251 -- the event loop stands still meanwhile
    async with asyncio.timeout(10):
        assert await database.read(ask) == b"x"


async def test_a_mistake_in_a_statement_is_the_drivers_error_and_the_connection_goes_on(
    database: PostgreSQLDatabase,
) -> None:
    with pytest.raises(psycopg.errors.DivisionByZero):
        await database.read(_inverse.value, number=0)
    assert await database.read(_inverse.value, number=1) == 1
    assert len(database._reads._lines) == 1


async def test_a_server_that_says_nothing_is_unavailable_and_its_connections_are_few(
    database: PostgreSQLDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql_module, "PATIENCE", 0.2)
    said = await asyncio.gather(*(database.read(echo, b"x", 1) for _ in range(3 * READERS)), return_exceptions=True)
    assert [type(each) for each in said] == 3 * READERS * [DatabaseUnavailable]
    assert len(database._reads._lines) <= READERS
    monkeypatch.setattr(postgresql_module, "PATIENCE", 10)
    assert await database.read(echo, b"x") == b"x"


async def test_what_is_more_than_prepared_statements_is_read_in_a_thread(database: PostgreSQLDatabase) -> None:
    def both(conn: Connection) -> tuple[Any, bool]:
        return conn.execute(text("SELECT 7")).scalar_one(), isinstance(conn, LoopConnection)

    for _ in range(2):
        assert await database.read(both) == (7, False)


def test_a_database_goes_on_in_the_next_event_loop(postgresql_url: str) -> None:
    database = PostgreSQLDatabase(postgresql_url)
    for body in (b"one", b"two"):
        assert asyncio.run(database.read(echo, body)) == body
    asyncio.run(database.close())


async def test_a_server_that_can_not_be_reached_is_unavailable_to_each_who_waits(
    database: PostgreSQLDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> Any:
        raise psycopg.OperationalError("connection refused")

    monkeypatch.setattr(database._reads, "_connect", fail)
    said = await asyncio.gather(*(database.read(echo, b"x") for _ in range(20)), return_exceptions=True)
    assert [type(each) for each in said] == 20 * [DatabaseUnavailable]


def put(conn: Connection, name: str, value: str = "v") -> None:
    assert isinstance(conn, WritingConnection)
    _set.run_later(conn, name=name, value=value)


async def stored(database: PostgreSQLDatabase) -> list[str]:
    return sorted(await database.read(_names.values))


async def test_what_was_left_to_be_run_later_fails_at_the_end_and_undoes_all(database: PostgreSQLDatabase) -> None:
    def twice(conn: Connection) -> None:
        put(conn, "new")
        put(conn, "old")

    await database.write(put, "old")
    for _ in range(2):
        with pytest.raises(IntegrityError):
            await database.write(twice)
    assert await stored(database) == ["old"]
    assert len(database._line_writes._lines) == 1


async def test_a_write_that_raises_is_undone_and_its_connection_goes_on(database: PostgreSQLDatabase) -> None:
    def fail(conn: Connection, name: str) -> None:
        put(conn, name)
        assert _names.values(conn) == [name]
        raise KeyError(name)

    for name in ("one", "two"):
        with pytest.raises(KeyError, match=name):
            await database.write(fail, name, keys=["k"])
    await database.write(put, "three", keys=["k"])
    assert await stored(database) == ["three"]
    assert len(database._line_writes._lines) == 1


async def test_a_function_that_goes_on_after_a_statement_that_failed_has_written_nothing(
    database: PostgreSQLDatabase,
) -> None:
    def go_on(conn: Connection) -> None:
        put(conn, "before")
        with suppress(psycopg.Error):
            _inverse.value(conn, number=0)

    with pytest.raises(psycopg.errors.InFailedSqlTransaction):
        await database.write(go_on)
    assert await stored(database) == []


async def test_a_connection_that_is_lost_before_the_commit_is_sent_undoes_the_write_which_is_done_again(
    database: PostgreSQLDatabase, postgresql: Server
) -> None:
    runs = []

    def lose(conn: Connection) -> None:
        runs.append(1)
        put(conn, "a")
        pid = _backend.value(conn)
        if len(runs) == 1:
            postgresql.execute(f"SELECT pg_terminate_backend({pid})")
        _names.values(conn)

    await database.write(lose)
    assert await stored(database) == ["a"] and len(runs) == 2


async def test_of_a_connection_that_is_lost_at_the_commit_it_is_unknown_and_nothing_is_done_again(
    database: PostgreSQLDatabase, postgresql: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs: list[int] = []
    at_end = _Attempt.ends

    def ends(attempt: _Attempt) -> None:
        postgresql.execute(f"SELECT pg_terminate_backend({runs[-1]})")
        at_end(attempt)

    def work(conn: Connection) -> None:
        runs.append(_backend.value(conn))
        put(conn, "a")

    monkeypatch.setattr(_Attempt, "ends", ends)
    with pytest.raises(DatabaseUnavailable):
        await database.write(work)
    assert len(runs) == 1


async def test_of_many_writes_at_once_those_that_succeed_are_there_and_no_other(database: PostgreSQLDatabase) -> None:
    chance = random.Random(3)

    def work(conn: Connection, name: str, way: str) -> str:
        if way == "in a thread":
            conn.execute(text("SELECT 1"))
        _set.run_later(conn, name=name, value="v")
        if chance.random() < 0.5:
            assert name in _names.values(conn)
        if way == "fails":
            raise KeyError(name)
        return name

    ways = [chance.choice(("as usual", "as usual", "fails", "in a thread")) for _ in range(200)]
    writes = [
        database.write(work, f"{number:03}", way, keys=[f"k{number % 5}"] if number % 2 else [])
        for number, way in enumerate(ways)
    ]
    outcomes = await asyncio.gather(*writes, return_exceptions=True)
    assert [isinstance(outcome, KeyError) for outcome in outcomes] == [way == "fails" for way in ways]
    assert await stored(database) == [outcome for outcome in outcomes if isinstance(outcome, str)]
    assert len(database._line_writes._lines) <= WRITERS


async def test_what_is_in_use_when_connections_are_given_up_is_given_up_when_it_is_left(
    database: PostgreSQLDatabase, postgresql: Server, postgresql_url: str
) -> None:
    """As when the server takes no writes for a while, and another transaction is under way meanwhile."""
    name = postgresql_url.rpartition("/")[2]
    postgresql.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    slow = asyncio.create_task(database.write(echo, b"x", 0.3))
    await _until(lambda: any(line.is_busy for line in database._line_writes._lines))
    with pytest.raises(DatabaseReadOnly):
        await database.write(put, "refused")
    postgresql.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
    assert await slow == b"x"
    await database.write(put, "taken")
    assert await stored(database) == ["taken"]


@pytest.mark.parametrize("is_known", [False, True], ids=["found when it commits", "known before"])
async def test_what_the_server_ended_while_the_event_loop_stood_still_is_begun_again(
    postgresql_url: str, monkeypatch: pytest.MonkeyPatch, is_known: bool
) -> None:
    """It waited for the next statement, so it can't have read a COMMIT."""
    monkeypatch.setitem(LIMITS, "idle_in_transaction_session_timeout", "100ms")
    database, runs = PostgreSQLDatabase(postgresql_url), []

    def stand_still(conn: Connection) -> None:
        runs.append(_backend.value(conn))
        if len(runs) == 1:
            time.sleep(0.5)
            if is_known:
                await_only(asyncio.sleep(0.1))
        _set.run_later(conn, name="once", value="")  # sent with the COMMIT

    try:
        await database.write(stand_still, keys=["k"])
        assert await database.read(_names.values) == ["once"] and len(set(runs)) == 2
    finally:
        await database.close()
