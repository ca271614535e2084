"""Point reads of PostgreSQL on the event loop, through libpq's own calls that don't wait.

To hand a read to a thread and to wait for it took five times as much CPU as what the driver does for it. A read
function is a plain one: it runs in a greenlet of its own (SQLAlchemy's), which gives the loop to others while a
statement is under way. All of it is used on the event loop only, but for opening a connection.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from functools import partial
from typing import Any, NoReturn, TypeVar

import psycopg
from psycopg.adapt import PyFormat, Transformer
from psycopg.pq import ConnStatus, ExecStatus, Format
from psycopg.pq.abc import PGresult
from sqlalchemy.util import await_only, greenlet_spawn

from s3gw.metadata.database import Connection
from s3gw.metadata.prepared import Prepared

T = TypeVar("T")
Row = tuple[Any, ...]
Driver = psycopg.Connection[Row]

_GOOD = (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK)


class NotOnLoop(Exception):
    """The function does more than to run prepared statements that read."""


class LoopConnection(Connection):
    """What a read function works with, in its greenlet."""

    dialect = "postgresql"

    def __init__(self, line: _Line) -> None:
        self._line = line

    def rows_of(self, prepared: Prepared, parameters: dict[str, Any]) -> list[Row]:
        form = prepared.form("postgresql")
        return await_only(self._line.rows(form.sql, form.arguments(parameters)))

    def execute(self, *_: Any, **__: Any) -> NoReturn:
        raise NotOnLoop

    rowcount_of = run_for_each = execute


class _Line:
    """A connection, with at most one statement under way."""

    def __init__(self, driver: Driver, loop: asyncio.AbstractEventLoop, ended: Callable[[_Line], None]) -> None:
        self._driver, self._loop, self._ended = driver, loop, ended
        self._pgconn = driver.pgconn
        self._pgconn.nonblocking = 1
        self._transformer = Transformer(driver)
        self._names: dict[tuple[str, tuple[int, ...]], bytes] = {}  # of what is prepared, by its SQL and its types
        self._prepared = 0  # with those whose answer nobody waited for
        self._answer: asyncio.Future[PGresult] | None = None
        self._result: PGresult | None = None
        self._socket = self._pgconn.socket
        self.is_lost = False
        loop.add_reader(self._socket, self._arrived)

    @property
    def is_busy(self) -> bool:
        return self._answer is not None

    async def rows(self, sql: str, arguments: Sequence[Any]) -> list[Row]:
        transformer = self._transformer
        values = transformer.dump_sequence(arguments, [PyFormat.AUTO] * len(arguments))
        types, formats = transformer.types or (), transformer.formats
        name = self._names.get((sql, types))
        if name is None:
            self._prepared += 1
            name = b"s3gw-%d" % self._prepared
            await self._exchange(partial(self._pgconn.send_prepare, name, sql.encode(), types))
            self._names[sql, types] = name
        send = self._pgconn.send_query_prepared
        result = await self._exchange(partial(send, name, values, formats, Format.BINARY))
        transformer.set_pgresult(result)
        return transformer.load_rows(0, result.ntuples, tuple)

    async def _exchange(self, send: Callable[[], None]) -> PGresult:
        if self.is_lost:
            raise psycopg.OperationalError("the connection is lost")
        self._answer = answer = self._loop.create_future()
        try:
            send()
            self._flush()
        except psycopg.Error as error:
            self.lose(error)
        result: PGresult = await answer
        if result.status not in _GOOD:
            raise psycopg.errors.error_from_result(result)
        return result

    def _flush(self) -> None:
        """What the socket doesn't take at once goes when it takes more."""
        if self._pgconn.flush():
            self._loop.add_writer(self._socket, self._writable)

    def _writable(self) -> None:
        self._loop.remove_writer(self._socket)
        try:
            self._flush()
        except psycopg.Error as error:
            self.lose(error)

    def _arrived(self) -> None:
        try:
            self._pgconn.consume_input()
            while not self._pgconn.is_busy():
                result = self._pgconn.get_result()
                if result is None:
                    self._end_exchange()
                    break
                self._result = result
            if self._pgconn.status == ConnStatus.BAD:
                raise psycopg.OperationalError("the server closed the connection")
        except psycopg.Error as error:
            self.lose(error)

    def _end_exchange(self) -> None:
        answer, result, self._answer, self._result = self._answer, self._result, None, None
        if answer is not None and result is not None:
            if answer.cancelled():
                self._ended(self)  # whoever asked has gone
            elif not answer.done():
                answer.set_result(result)

    def lose(self, error: Exception) -> None:
        if not self.is_lost:
            self.is_lost = True
            self.close()
            answer, self._answer = self._answer, None
            if answer is not None and not answer.done():
                answer.set_exception(error)
            self._ended(self)

    def close(self) -> None:
        if not self._loop.is_closed():
            self._loop.remove_reader(self._socket)
            self._loop.remove_writer(self._socket)
        self._driver.close()


class LoopReads:
    """At most `most` connections, each opened when the others are in use. Errors are the driver's."""

    def __init__(self, connect: Callable[[], Driver], most: int, threads: Executor) -> None:
        """`connect` is run in `threads`."""
        self._connect, self._most, self._threads = connect, most, threads
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lines: set[_Line] = set()
        self._idle: list[_Line] = []
        self._waiting: deque[asyncio.Future[_Line]] = deque()
        self._opening: set[asyncio.Task[None]] = set()

    async def read(self, fn: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Raises NotOnLoop where the function does more than to run prepared statements that read."""
        if self._loop is None or self._loop.is_closed():
            self._begin()
        line = self._idle.pop() if self._idle else await self._wait()
        try:
            return await greenlet_spawn(fn, LoopConnection(line), *args, **kwargs)
        finally:
            if not line.is_busy:
                self._leave(line)

    def _begin(self) -> None:
        """On this loop. What belonged to one that was closed is of no use any more."""
        self._drop()
        self._waiting.clear()
        self._opening.clear()
        self._loop = asyncio.get_running_loop()

    async def _wait(self) -> _Line:
        assert self._loop is not None, "it has begun"
        waiting: asyncio.Future[_Line] = self._loop.create_future()
        self._waiting.append(waiting)
        self._open_more()
        try:
            return await waiting
        except asyncio.CancelledError:
            if waiting.done() and not waiting.cancelled() and waiting.exception() is None:
                self._leave(waiting.result())
            raise

    def _open_more(self) -> None:
        """As many as are waited for, as long as there is room."""
        assert self._loop is not None, "it has begun"
        while len(self._opening) < len(self._waiting) and len(self._lines) + len(self._opening) < self._most:
            opening = self._loop.create_task(self._open())
            self._opening.add(opening)
            opening.add_done_callback(self._opening.discard)

    async def _open(self) -> None:
        assert self._loop is not None, "it has begun"
        try:
            driver = await self._loop.run_in_executor(self._threads, self._connect)
        except Exception as error:
            while waiting := self._next_waiting():  # none of them would have more luck
                waiting.set_exception(error)
            return
        line = _Line(driver, self._loop, self._leave)
        self._lines.add(line)
        self._leave(line)

    def _next_waiting(self) -> asyncio.Future[_Line] | None:
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                return waiting
        return None

    def _leave(self, line: _Line) -> None:
        """Nobody uses it any more."""
        if line.is_lost:
            self._lines.discard(line)
            if line in self._idle:
                self._idle.remove(line)
            self._open_more()
            return
        waiting = self._next_waiting()
        if waiting is None:
            self._idle.append(line)
        else:
            waiting.set_result(line)

    def forget(self) -> None:
        """A lost connection is seldom alone: those that nobody uses are opened anew."""
        idle, self._idle = self._idle, []
        for line in idle:
            self._lines.remove(line)
            line.close()

    async def close(self) -> None:
        if self._opening:
            await asyncio.wait(set(self._opening))
        self._drop()

    def _drop(self) -> None:
        for line in self._lines:
            line.close()
        self._lines.clear()
        self._idle.clear()
