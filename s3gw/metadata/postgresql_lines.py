"""Connections to PostgreSQL on the event loop, through libpq's own calls that don't wait.

To hand a statement to a thread and to wait for it took five times as much CPU as what the driver does for it. What is
known together goes together (libpq's pipeline mode), which is one round trip. All of it is used on the event loop only,
but for opening a connection.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Executor
from typing import Any, NamedTuple

import psycopg
from psycopg.adapt import PyFormat, Transformer
from psycopg.pq import ConnStatus, ExecStatus, Format, TransactionStatus
from psycopg.pq.abc import PGresult

Row = tuple[Any, ...]
Driver = psycopg.Connection[Row]

_FAILED = (ExecStatus.FATAL_ERROR, ExecStatus.BAD_RESPONSE, ExecStatus.NONFATAL_ERROR)


class Statement(NamedTuple):
    sql: str
    arguments: Sequence[Any] = ()


class Result(NamedTuple):
    """`concerned`: how many rows were inserted, changed or removed. `tag` is the server's word for what was done."""

    rows: list[Row]
    concerned: int
    tag: bytes


class _Sent(NamedTuple):
    """A command of an exchange: to prepare a statement under a name, or to run what is prepared, or has no name."""

    name: bytes | None
    form: tuple[str, tuple[int, ...]]  # SQL, and the types of its parameters
    is_prepare: bool
    values: Sequence[Any] = ()
    formats: Sequence[Format] = ()


class NotSent(psycopg.OperationalError):
    """The connection was lost before: nothing of what was to be run has been."""


class Line:
    """A connection, with at most one exchange under way."""

    def __init__(self, driver: Driver, loop: asyncio.AbstractEventLoop, ended: Callable[[Line], None]) -> None:
        """`ended` is called when it is lost, and when an exchange ends that nobody waits for any more."""
        self._driver, self._loop, self._ended = driver, loop, ended
        self._pgconn = driver.pgconn
        self._pgconn.nonblocking = 1
        self._transformer = Transformer(driver)
        self._names: dict[tuple[str, tuple[int, ...]], bytes] = {}  # of what is prepared
        # Behind a pooler nothing is prepared: another connection would be asked for it.
        self._prepares = driver.prepare_threshold is not None
        self._named = 0  # with what failed, and what nobody waited for
        self._answer: asyncio.Future[list[PGresult]] | None = None
        self._results: list[PGresult] = []
        self._is_pipeline = False
        self._socket = self._pgconn.socket
        self.is_lost = False
        self.numbers: dict[Hashable, list[int]] = {}  # taken from sequences for rows to come
        loop.add_reader(self._socket, self._arrived)

    @property
    def is_busy(self) -> bool:
        return self._answer is not None

    @property
    def is_in_transaction(self) -> bool:
        return self._pgconn.transaction_status != TransactionStatus.IDLE

    async def run(self, *statements: Statement) -> list[Result]:
        """In one round trip, in this order. Raises the driver's error; after a statement that fails none is done."""
        if self.is_lost:
            raise NotSent("the connection is lost")
        sent = self._commands(statements)
        results = await self._exchange(sent)
        found = []
        for command, result in zip(sent, results, strict=True):
            if result.status in _FAILED:
                raise psycopg.errors.error_from_result(result)
            if command.is_prepare and command.name is not None:
                self._names[command.form] = command.name
            else:
                found.append(self._result(result))
        return found

    def _commands(self, statements: Sequence[Statement]) -> list[_Sent]:
        commands: list[_Sent] = []
        new: dict[tuple[str, tuple[int, ...]], bytes] = {}
        for sql, arguments in statements:
            values = self._transformer.dump_sequence(arguments, [PyFormat.AUTO] * len(arguments))
            form, formats = (sql, self._transformer.types or ()), self._transformer.formats
            name = self._names.get(form) or new.get(form)
            if name is None and self._prepares:
                self._named += 1
                name = new[form] = b"s3gw-%d" % self._named
                commands.append(_Sent(name, form, is_prepare=True))
            commands.append(_Sent(name, form, False, values, formats or ()))
        return commands

    def _result(self, result: PGresult) -> Result:
        rows: list[Row] = []
        if result.status == ExecStatus.TUPLES_OK:
            self._transformer.set_pgresult(result)
            rows = self._transformer.load_rows(0, result.ntuples, tuple)
        return Result(rows, result.command_tuples or 0, result.command_status or b"")

    async def _exchange(self, commands: Sequence[_Sent]) -> list[PGresult]:
        self._answer = answer = self._loop.create_future()
        self._results = []
        self._is_pipeline = len(commands) > 1
        try:
            if self._is_pipeline:
                self._pgconn.enter_pipeline_mode()
            for name, (sql, types), is_prepare, values, formats in commands:
                if name is None:
                    self._pgconn.send_query_params(sql.encode(), values, types, formats, Format.BINARY)
                elif is_prepare:
                    self._pgconn.send_prepare(name, sql.encode(), types)
                else:
                    self._pgconn.send_query_prepared(name, values, formats, Format.BINARY)
            if self._is_pipeline:
                self._pgconn.pipeline_sync()
            self._flush()
        except psycopg.Error as error:
            self._lose(error)
        results: list[PGresult] = await answer
        return results

    def _flush(self) -> None:
        """What the socket doesn't take at once goes when it takes more."""
        if self._pgconn.flush():
            self._loop.add_writer(self._socket, self._writable)

    def _writable(self) -> None:
        self._loop.remove_writer(self._socket)
        try:
            self._flush()
        except psycopg.Error as error:
            self._lose(error)

    def _arrived(self) -> None:
        asked = self._answer
        try:
            self._pgconn.consume_input()
            self._take_results()
            if self._pgconn.status == ConnStatus.BAD:
                raise psycopg.OperationalError("the server closed the connection")
        except psycopg.Error as error:
            self._lose(error)
        if not self.is_lost and (asked is None or asked is self._answer):
            self._listen_anew()

    def _listen_anew(self) -> None:
        """To a server that hasn't said all: libuv tells of an error of the socket once, and never of anything again.
        That was all if bytes came together with the error, and were read instead of it.
        """
        self._loop.remove_reader(self._socket)
        self._loop.add_reader(self._socket, self._arrived)

    def _take_results(self) -> None:
        """Of a pipeline there is None behind the results of each command, and at its end the sync's; of one command
        alone None is the end.
        """
        was_none = False
        while not self._pgconn.is_busy():
            result = self._pgconn.get_result()
            if result is None:
                if was_none or not self._is_pipeline:
                    self._end_exchange()
                    return
            elif result.status == ExecStatus.PIPELINE_SYNC:
                self._pgconn.exit_pipeline_mode()
                self._end_exchange()
                return
            else:
                self._results.append(result)
            was_none = result is None

    def _end_exchange(self) -> None:
        answer, results = self._answer, self._results
        if answer is None or not results:
            return
        self._answer, self._results = None, []
        if answer.cancelled():
            self._ended(self)  # whoever asked has gone
        elif not answer.done():
            answer.set_result(results)

    def _lose(self, error: Exception) -> None:
        if not self.is_lost:
            self.close()
            answer, self._answer = self._answer, None
            if answer is not None and not answer.done():
                answer.set_exception(self._last_words() or error)
            self._ended(self)

    def _last_words(self) -> psycopg.Error | None:
        """Why the server ended the connection, if it has said so."""
        failed = next((result for result in self._results if result.status in _FAILED), None)
        return None if failed is None else psycopg.errors.error_from_result(failed)

    def close(self) -> None:
        self.is_lost = True
        if not self._loop.is_closed():
            self._loop.remove_reader(self._socket)
            self._loop.remove_writer(self._socket)
        self._driver.close()


class _Opening:
    """Of a connection, in a thread. Who has it or abandons it first doesn't matter: each sees what the other has done,
    since both write before they look.
    """

    def __init__(self, connect: Callable[[], Driver]) -> None:
        self._connect = connect
        self._driver: Driver | None = None
        self._is_abandoned = False

    def run(self) -> Driver:
        self._driver = driver = self._connect()
        if self._is_abandoned:
            driver.close()
        return driver

    def abandon(self) -> None:
        self._is_abandoned = True
        if self._driver is not None:
            self._driver.close()


class Lines:
    """At most `most` connections, each opened when the others are in use."""

    def __init__(self, connect: Callable[[], Driver], most: int, threads: Executor) -> None:
        """`connect` is run in `threads`."""
        self._connect, self._most, self._threads = connect, most, threads
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lines: dict[Line, int] = {}  # each with the generation in which it was begun to be opened
        self._generation = 0
        self._idle: list[Line] = []
        self._waiting: deque[asyncio.Future[Line]] = deque()
        self._opening: set[asyncio.Task[None]] = set()

    async def take(self) -> Line:
        """Whoever takes one gives it back by `leave`. Errors are the driver's, of the connection that can't be had."""
        if self._loop is not asyncio.get_running_loop():
            self._begin()
        return self._idle.pop() if self._idle else await self._wait()

    def leave(self, line: Line) -> None:
        """Nobody uses it any more. While an exchange is under way that nobody waits for, it isn't given to others."""
        if line.is_busy:
            return
        if (line.is_in_transaction or self._lines.get(line) != self._generation) and not line.is_lost:
            line.close()
        if line.is_lost:
            self._lines.pop(line, None)
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
        """A lost connection is seldom alone: all are opened anew, those that are in use when they are left."""
        self._generation += 1
        idle, self._idle = self._idle, []
        for line in idle:
            del self._lines[line]
            line.close()

    async def close(self) -> None:
        if self._opening:
            await asyncio.wait(set(self._opening))
        self._drop()

    def _begin(self) -> None:
        """On this loop. What belonged to another is of no use any more."""
        self._drop()
        self._waiting.clear()
        self._opening.clear()
        self._loop = asyncio.get_running_loop()

    def _drop(self) -> None:
        for line in self._lines:
            line.close()
        self._lines.clear()
        self._idle.clear()

    async def _wait(self) -> Line:
        assert self._loop is not None, "it has begun"
        waiting: asyncio.Future[Line] = self._loop.create_future()
        self._waiting.append(waiting)
        self._open_more()
        try:
            return await waiting
        except asyncio.CancelledError:
            if waiting.done() and not waiting.cancelled() and waiting.exception() is None:
                self.leave(waiting.result())
            raise

    def _open_more(self) -> None:
        """As many as are waited for, as long as there is room."""
        assert self._loop is not None, "it has begun"
        while len(self._opening) < len(self._waiting) and len(self._lines) + len(self._opening) < self._most:
            opening = self._loop.create_task(self._open())
            self._opening.add(opening)
            opening.add_done_callback(self._opened)

    def _opened(self, opening: asyncio.Task[None]) -> None:
        self._opening.discard(opening)
        self._open_more()  # for who has come while it failed

    async def _open(self) -> None:
        assert self._loop is not None, "it has begun"
        opening, generation = _Opening(self._connect), self._generation
        try:
            driver = await self._loop.run_in_executor(self._threads, opening.run)
        except asyncio.CancelledError:
            opening.abandon()
            raise
        except Exception as error:
            while waiting := self._next_waiting():  # none of them would have more luck
                waiting.set_exception(error)
            return
        line = Line(driver, self._loop, self.leave)
        self._lines[line] = generation
        self.leave(line)

    def _next_waiting(self) -> asyncio.Future[Line] | None:
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                return waiting
        return None
