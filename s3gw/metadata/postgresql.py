"""PostgreSQL: what is made of prepared statements on the event loop (postgresql_loop.py), all else in worker threads;
each write is its own READ COMMITTED transaction, one writer per key.

The first statement of a write takes advisory locks on its keys, in sorted order; the statements after it see what the
writers before it committed. Deadlocks and serialization failures are run again.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from types import CodeType
from typing import Any, Concatenate, ParamSpec, TypeVar

import psycopg
from psycopg.types.numeric import Int8BinaryDumper, Int8Dumper
from sqlalchemy import Connection as SQLAlchemyConnection
from sqlalchemy import Engine, create_engine, event, make_url
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from s3gw.metadata import postgresql_loop
from s3gw.metadata.database import (
    Connection,
    Database,
    DatabaseFull,
    DatabaseReadOnly,
    DatabaseUnavailable,
    Foreseen,
)
from s3gw.metadata.postgresql_lines import Driver, Lines, NotSent
from s3gw.metadata.postgresql_loop import FORESEEN_OTHERWISE, NotOnLoop
from s3gw.metadata.postgresql_server import LIMITS, is_pooled, refuse_unsafe, require_limits, sqlstate
from s3gw.metadata.prepared import Prepared

P = ParamSpec("P")
T = TypeVar("T")

# Connections of a process, each opened when it is needed: on the event loop, and of its threads of either kind.
READERS = WRITERS = 8
_THREADS = 4
MAX_ATTEMPTS = 8
# Locks of all connections have room in memory for some ten thousand (max_locks_per_transaction), without which nobody's
# transactions go on. So writes of more keys than this take turns, whatever their keys are.
_MANY = 100
_CALLS_IN_THREADS = 32
_MANY_AT_ONCE = -(2**63)
# Seconds until a client is told that the database doesn't answer, whatever the reason: a server that stands still says
# nothing. What was begun ends later, by the limits below, and until then has its connection and thread.
PATIENCE, PATIENCE_OF_SCANS = 45.0, 330.0
_RUN_AGAIN = frozenset(("40P01", "40001"))
_READ_ONLY = "25006"  # after a failover the old primary refuses writes
_DISK_FULL = "53100"
_ENDED_IDLE = "25P03"  # idle_in_transaction_session_timeout: the connection is gone, and with it the transaction
# A connection on which nothing comes back is lost after some seconds, also where the other side has just vanished.
_CONNECTION = {
    "connect_timeout": 10,
    "tcp_user_timeout": 15_000,  # milliseconds
    "keepalives_idle": 10,
    "keepalives_interval": 3,
    "keepalives_count": 3,
}
_TAKE_TURNS = "SELECT pg_advisory_xact_lock(k) FROM unnest(%s::bigint[]) AS k"


class PostgreSQLConnection(Connection):
    dialect = "postgresql"

    def __init__(self, sqlalchemy: SQLAlchemyConnection) -> None:
        super().__init__(sqlalchemy)
        driver = sqlalchemy.connection.driver_connection
        assert isinstance(driver, psycopg.Connection)
        self.driver: Driver = driver

    def rows_of(self, prepared: Prepared, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
        return self._run(prepared, parameters).fetchall()

    def rowcount_of(self, prepared: Prepared, parameters: dict[str, Any]) -> int:
        return self._run(prepared, parameters).rowcount

    def run_for_each(self, prepared: Prepared, rows: Sequence[dict[str, Any]]) -> None:
        form = prepared.form("postgresql")
        try:
            psycopg.RawCursor(self.driver).executemany(form.sql, [form.arguments(row) for row in rows])
        except psycopg.IntegrityError as error:
            raise IntegrityError(form.sql, None, error, hide_parameters=True) from error

    def _run(self, prepared: Prepared, parameters: dict[str, Any]) -> psycopg.Cursor[tuple[Any, ...]]:
        form = prepared.form("postgresql")
        cursor = psycopg.RawCursor(self.driver)
        try:
            return cursor.execute(form.sql, form.arguments(parameters), prepare=True, binary=True)
        except psycopg.IntegrityError as error:
            raise IntegrityError(form.sql, None, error, hide_parameters=True) from error

    def take_turns(self, keys: Sequence[int]) -> None:
        self.driver.execute(_TAKE_TURNS, (list(keys),), prepare=True)


class KeyQueues:
    """Writers of a key wait here, not on a connection that others could use meanwhile. On the event loop only."""

    def __init__(self) -> None:
        self._locks: dict[int, tuple[asyncio.Lock, int]] = {}  # with the number of those who hold it or wait

    def is_any_taken(self, keys: Sequence[int]) -> bool:
        return not self._locks.keys().isdisjoint(keys)

    @asynccontextmanager
    async def turn(self, keys: Sequence[int]) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for key in keys:
                await stack.enter_async_context(self._turn(key))
            yield

    @asynccontextmanager
    async def _turn(self, key: int) -> AsyncIterator[None]:
        lock, users = self._locks.get(key) or (asyncio.Lock(), 0)
        self._locks[key] = lock, users + 1
        try:
            async with lock:
                yield
        finally:
            users = self._locks[key][1] - 1
            if users:
                self._locks[key] = lock, users
            else:
                del self._locks[key]


@dataclass
class _Attempt:
    """At a write. Before its COMMIT is sent, a connection that is lost has undone all of it."""

    fn: Callable[..., Any]
    args: tuple[Any, ...]
    keys: list[int]
    foreseen: Sequence[Foreseen] = ()
    may_be_committed: bool = False

    def ends(self) -> None:
        self.may_be_committed = True


class _InThreads:
    """Functions that lately did more than to run prepared statements: they begin in a thread for the next calls."""

    def __init__(self) -> None:
        self._calls: dict[tuple[CodeType | type, ...], int] = {}

    def has(self, *functions: Callable[..., Any]) -> bool:
        code = _code_of(functions)
        left = self._calls.get(code, 0)
        if left:
            self._calls[code] = left - 1
        return bool(left)

    def add(self, *functions: Callable[..., Any]) -> None:
        self._calls[_code_of(functions)] = _CALLS_IN_THREADS


def _code_of(functions: Sequence[Callable[..., Any]]) -> tuple[CodeType | type, ...]:
    """Of functions that are made anew at each call it is the same."""
    return tuple(getattr(function, "__code__", type(function)) for function in functions)


class PostgreSQLDatabase(Database):
    dialect = "postgresql"
    reads_ahead = True

    def __init__(self, url: str) -> None:
        self._write_engine = make_engine(url, _THREADS)
        read_engine = make_engine(url, _THREADS, read_only=True)
        # Autocommit saves BEGIN and COMMIT; at READ COMMITTED each statement has its own snapshot anyway.
        self._read_engine = read_engine.execution_options(isolation_level="AUTOCOMMIT")
        try:
            refuse_unsafe(self._write_engine)
        except DBAPIError as error:
            raise translated(error) from error
        finally:
            self._write_engine.dispose()
        self._readers = ThreadPoolExecutor(_THREADS, "s3gw-read")
        self._reads = Lines(lambda: connect(read_engine, read_only=True), READERS, self._readers)
        self._in_threads = _InThreads()
        self._writers = ThreadPoolExecutor(_THREADS, "s3gw-write")
        self._line_writes = Lines(lambda: connect(self._write_engine), WRITERS, self._writers)
        self._queues = KeyQueues()
        self._writes: set[asyncio.Task[Any]] = set()
        self._lost: DatabaseUnavailable | None = None  # of the last write; each thread only replaces it

    async def read(self, fn: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        if not self._in_threads.has(fn):
            try:
                return await _within(PATIENCE, self._read_on_loop(fn, *args, **kwargs))
            except NotOnLoop:
                self._in_threads.add(fn)
        return await self._read_within(PATIENCE, lambda conn: fn(conn, *args, **kwargs))

    async def _read_on_loop(self, fn: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        try:
            return await postgresql_loop.read(self._reads, fn, *args, **kwargs)
        except (psycopg.Error, DBAPIError) as error:
            if not isinstance(translated(error), DatabaseUnavailable):
                raise
            self._reads.forget()  # connections may be older than the server's restart
        try:
            return await postgresql_loop.read(self._reads, fn, *args, **kwargs)
        except (psycopg.Error, DBAPIError) as error:
            raise translated(error) from error

    async def scan(self, fn: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._read_within(PATIENCE_OF_SCANS, lambda conn: fn(conn, *args, **kwargs))

    async def _read_within(self, seconds: float, fn: Callable[[Connection], T]) -> T:
        reading = asyncio.get_running_loop().run_in_executor(self._readers, self._read, fn)
        return await _within(seconds, reading)

    def _read(self, fn: Callable[[Connection], T]) -> T:
        try:
            return self._read_once(fn)
        except DatabaseUnavailable:  # the pool's connections may be older than the server's restart
            return self._read_once(fn)

    def _read_once(self, fn: Callable[[Connection], T]) -> T:
        try:
            with self._read_engine.connect() as sqlalchemy:
                return fn(PostgreSQLConnection(sqlalchemy))
        except (DBAPIError, psycopg.Error, PoolTimeout) as error:
            raise self._judged(error, self._read_engine) from error

    async def write(
        self, fn: Callable[..., T], *args: Any, keys: Sequence[str] = (), foreseen: Sequence[Foreseen] = ()
    ) -> T:
        # A task of its own: whoever follows in the queue must not start before this write has ended, even when its
        # caller is cancelled.
        task = asyncio.create_task(self._write_in_turn(fn, args, _turns_of(keys), foreseen))
        self._writes.add(task)
        task.add_done_callback(self._forget)
        return await _within(PATIENCE, asyncio.shield(task))

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._writes.discard(task)
        if not task.cancelled():
            task.exception()  # its caller may have gone without looking at it

    async def _write_in_turn(
        self, fn: Callable[..., T], args: tuple[Any, ...], keys: list[int], foreseen: Sequence[Foreseen]
    ) -> T:
        if self._queues.is_any_taken(keys):
            foreseen = ()  # it will have changed
        async with self._queues.turn(keys):
            return await self._write(fn, args, keys, foreseen)

    async def _write(
        self, fn: Callable[..., T], args: tuple[Any, ...], keys: list[int], foreseen: Sequence[Foreseen]
    ) -> T:
        attempts = 0
        while True:
            attempts += 1
            attempt = _Attempt(fn, args, keys, foreseen if attempts == 1 else ())
            try:
                result: T = await self._write_once(attempt)
                self._lost = None
                return result
            except (DBAPIError, psycopg.Error, PoolTimeout) as error:
                if attempts == 1 and _is_lost(error) and (not attempt.may_be_committed or _is_undone(error)):
                    self._judged(error, self._write_engine)  # its connections were older than the server's restart
                    continue
                if attempt.foreseen and sqlstate(error) == FORESEEN_OTHERWISE:
                    continue
                if attempts == MAX_ATTEMPTS or sqlstate(error) not in _RUN_AGAIN:
                    judged = self._judged(error, self._write_engine)
                    self._lost = judged if isinstance(judged, DatabaseUnavailable) else self._lost
                    raise judged from error
            await asyncio.sleep(random.uniform(0, 0.005 * 2**attempts))  # jitter, so that the same two don't meet again

    def write_fault(self) -> DatabaseUnavailable | None:
        return self._lost

    async def _write_once(self, attempt: _Attempt) -> Any:
        functions = (attempt.fn, *filter(callable, attempt.args))
        if not self._in_threads.has(*functions):
            try:
                return await postgresql_loop.write(
                    self._line_writes, attempt.fn, attempt.args, attempt.keys, attempt.foreseen, attempt.ends
                )
            except NotOnLoop:
                self._in_threads.add(*functions)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._writers, self._write_in_thread, attempt)

    def _write_in_thread(self, attempt: _Attempt) -> Any:
        with self._write_engine.connect() as sqlalchemy, sqlalchemy.begin():
            conn = PostgreSQLConnection(sqlalchemy)
            if attempt.keys:
                conn.take_turns(attempt.keys)
            result = attempt.fn(conn, *attempt.args)
            attempt.ends()
            return result

    def _judged(self, error: Exception, engine: Engine) -> Exception:
        """What to raise for an error. A lost connection is seldom alone: the pool starts anew. So it does where the
        server writes no more: after a failover, another one does.
        """
        judged = translated(error)
        if isinstance(judged, DatabaseReadOnly) or _is_lost(error):
            engine.dispose()
            if engine is self._write_engine:
                self._line_writes.forget()
        return judged

    async def close(self) -> None:
        while self._writes:
            await asyncio.wait(set(self._writes))
        await self._reads.close()
        await self._line_writes.close()
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._readers.shutdown()
        self._writers.shutdown()
        self._read_engine.dispose()
        self._write_engine.dispose()


async def _within(seconds: float, answer: Awaitable[T]) -> T:
    """Raises DatabaseUnavailable. The future is cancelled then, unless it is shielded."""
    try:
        async with asyncio.timeout(seconds) as limit:
            return await answer
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise DatabaseUnavailable(f"the database didn't answer within {seconds:g} s") from error


def make_engine(url: str, size: int, *, read_only: bool = False) -> Engine:
    engine = create_engine(
        make_url(url).set(drivername="postgresql+psycopg"),
        pool_size=size,
        max_overflow=0,
        pool_timeout=30,
        isolation_level="READ COMMITTED",
        hide_parameters=True,
        connect_args=_CONNECTION,
    )

    @event.listens_for(engine, "connect")
    def set_up(driver: Any, _record: object) -> None:
        _set_up(driver, read_only=read_only)

    return engine


def connect(engine: Engine, *, read_only: bool = False) -> Driver:
    """A connection beside the engine's pool, and like those in it."""
    arguments, options = engine.dialect.create_connect_args(engine.url)
    driver: Driver = psycopg.connect(*arguments, **{**options, **_CONNECTION})
    try:
        _set_up(driver, read_only=read_only)
    except BaseException:
        driver.close()
        raise
    return driver


def _set_up(driver: Driver, *, read_only: bool) -> None:
    driver.prepared_max = 1000
    # By default a number has the smallest type that holds it, and each combination of types is prepared by itself.
    driver.adapters.register_dumper(int, Int8Dumper)
    driver.adapters.register_dumper(int, Int8BinaryDumper)
    driver.autocommit = True
    if is_pooled(driver):
        driver.prepare_threshold = None  # nothing is prepared: another connection would be asked for it
        require_limits(driver)
    else:
        driver.prepare_threshold = 1 << 30  # only statements that ask for it are prepared
        limits = LIMITS | ({"default_transaction_read_only": "on"} if read_only else {})
        driver.execute("; ".join(f"SET {name} = '{value}'" for name, value in limits.items()))
    standby = driver.execute("SELECT pg_is_in_recovery()").fetchone()
    driver.autocommit = False
    if standby != (False,):
        raise psycopg.OperationalError("this server is a standby, which may lag behind: the primary is needed")


def _turns_of(keys: Sequence[str]) -> list[int]:
    """In the order in which they are taken: that of many keys first, so that who waits for it holds none."""
    found = sorted({hashed(key) for key in keys})
    return [_MANY_AT_ONCE, *found] if len(found) > _MANY else found


def hashed(key: str) -> int:
    """The advisory lock of a key. Two keys that share one only wait for each other."""
    return int.from_bytes(
        hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big", signed=True
    )


def _is_lost(error: Exception) -> bool:
    """Whether the connection is, or the server ends."""
    unavailable = isinstance(translated(error), DatabaseUnavailable)
    return unavailable and (sqlstate(error) or "08").startswith(("08", "57P", _ENDED_IDLE))


def _is_undone(error: Exception) -> bool:
    """Whether what was lost with the connection is certainly undone, though its COMMIT was to be sent, or was: a server
    that ended it while it waited for the next statement has read no COMMIT.
    """
    return isinstance(error, NotSent) or sqlstate(error) == _ENDED_IDLE


def translated(error: Exception) -> Exception:
    """DatabaseUnavailable for what may pass (connections, locks, resources); others are mistakes in a statement."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    kinds = {_READ_ONLY: DatabaseReadOnly, _DISK_FULL: DatabaseFull, _ENDED_IDLE: DatabaseUnavailable}
    kind = kinds.get(sqlstate(error) or "")
    if kind is None and not isinstance(cause, psycopg.OperationalError | psycopg.InterfaceError | PoolTimeout):
        return error
    return (kind or DatabaseUnavailable)(str(cause))
