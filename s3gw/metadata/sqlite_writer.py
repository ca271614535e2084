"""The one thread per process that writes to SQLite: many writes, each in a savepoint, become durable by one COMMIT.

What a write returned or raised is delivered after that COMMIT, a whole group in one call into the event loop. If
COMMIT fails, or an error has ended the transaction, every member of the group hears DatabaseUnavailable: an ended
transaction silently undoes the savepoints released in it. Checkpoints run here only, under the writer lock, when
the answers are out.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import Any, NamedTuple

from sqlalchemy.exc import DBAPIError

from s3gw.metadata.database import DatabaseUnavailable
from s3gw.metadata.sqlite_connection import SQLiteConnection, make_engine
from s3gw.metadata.sqlite_files import WriterLock

MAX_GROUP = 128
MAX_GROUP_SECONDS = 0.02
# Larger steps would write inner pages less often, but each makes the next group wait: 500 writes of 4 KiB take 15 ms.
CHECKPOINT_WRITES = 500
CHECKPOINT_SECONDS = 5.0
TRUNCATE_BYTES = 64 << 20


class Write(NamedTuple):
    future: asyncio.Future[Any]
    fn: Callable[..., Any]
    args: tuple[Any, ...]


class Outcome(NamedTuple):
    future: asyncio.Future[Any]
    result: Any
    error: BaseException | None


class WriterConnection(SQLiteConnection):
    """Closes itself when an error has ended the transaction, so that no later statement commits on its own."""

    def _failed(self, error: BaseException | None, sql: str) -> BaseException:
        if not _in_transaction(self.driver):
            self.driver.close()
        return super()._failed(error, sql)


class GroupLost(Exception):
    """The transaction of a group ended before its COMMIT was acknowledged."""


class Writer:
    def __init__(self, path: Path, lock: WriterLock) -> None:
        self._engine = make_engine(path, writes=True)
        self._wal = f"{path}-wal"
        self._lock = lock
        self._connection: WriterConnection | None = WriterConnection(self._engine)
        self._gathering: dict[asyncio.AbstractEventLoop, list[Write]] = {}
        self._queue: SimpleQueue[list[Write] | None] = SimpleQueue()
        self._waiting: deque[Write] = deque()
        self._stopping = False
        self._closed = False
        self._since_checkpoint = 0
        self._next_checkpoint = time.monotonic() + CHECKPOINT_SECONDS
        self._next_truncate = TRUNCATE_BYTES
        self._thread = threading.Thread(target=self._work, name="s3gw-writer", daemon=True)
        self._thread.start()

    # On the event loop

    def submit(self, fn: Callable[..., Any], args: tuple[Any, ...]) -> asyncio.Future[Any]:
        """Queue a write. Those of one turn of the event loop are handed over together: a thread is woken once."""
        if self._closed:
            raise DatabaseUnavailable("the database is closed")
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        gathering = self._gathering.get(loop)
        if gathering is None:
            self._gathering[loop] = [Write(future, fn, args)]
            loop.call_soon(self._hand_over, loop)
        else:
            gathering.append(Write(future, fn, args))
        return future

    def _hand_over(self, loop: asyncio.AbstractEventLoop) -> None:
        gathered = self._gathering.pop(loop, None)
        if gathered is not None:
            self._queue.put(gathered)

    def stop(self) -> None:
        """Take no more writes; those queued are still written."""
        self._closed = True
        for loop in list(self._gathering):
            self._hand_over(loop)
        self._queue.put(None)

    def join(self) -> None:
        self._thread.join()

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()

    # In the writer thread

    def _work(self) -> None:
        while self._waiting or not self._stopping:
            if not self._waiting:
                self._take(self._queue.get())
            self._take_all()
            if self._waiting:
                self._write_locked()

    def _write_locked(self) -> None:
        try:
            with self._lock.held():
                self._write_group()
                self._checkpoint_if_due()
        except OSError as error:  # no lock, nothing begun
            lost = DatabaseUnavailable(f"the writer lock can't be had: {error}")
            _deliver([Outcome(write.future, None, _again(lost)) for write in self._waiting])
            self._waiting.clear()

    def _take(self, writes: list[Write] | None) -> None:
        if writes is None:
            self._stopping = True
        else:
            self._waiting.extend(writes)

    def _take_all(self) -> None:
        while not self._queue.empty():
            self._take(self._queue.get())

    def _write_group(self) -> None:
        group: list[Outcome] = []
        try:
            try:
                conn = self._usable_connection()
                self._run(conn, conn.driver.cursor(), group)
            except (sqlite3.Error, DBAPIError, GroupLost) as error:
                raise DatabaseUnavailable(f"the transaction was lost: {error.__cause__ or error}") from error
        except DatabaseUnavailable as lost:
            self._discard_connection()
            if not group:  # nothing was begun; who waits must not wait for ever
                group = [Outcome(write.future, None, None) for write in self._waiting]
                self._waiting.clear()
            group = [Outcome(outcome.future, None, _again(lost)) for outcome in group]
        self._since_checkpoint += len(group)
        _deliver(group)

    def _run(self, conn: WriterConnection, cursor: sqlite3.Cursor, group: list[Outcome]) -> None:
        """Move writes from the queue into `group` and commit them. Those that come while it runs still join."""
        execute, driver, waiting = cursor.execute, conn.driver, self._waiting
        execute("BEGIN IMMEDIATE")
        end = time.monotonic() + MAX_GROUP_SECONDS
        while waiting and len(group) < MAX_GROUP:
            future, fn, args = waiting.popleft()
            execute("SAVEPOINT member")
            try:
                outcome = Outcome(future, fn(conn, *args), None)
            except BaseException as error:  # delivered to the caller below, whatever it is
                outcome = Outcome(future, None, error)
            group.append(outcome)
            if not _in_transaction(driver):
                raise GroupLost from outcome.error
            if outcome.error is not None:
                execute("ROLLBACK TO member")
            execute("RELEASE member")
            if time.monotonic() > end:
                break
            if not waiting:
                self._take_all()
        execute("COMMIT")

    def _usable_connection(self) -> WriterConnection:
        if self._connection is None:
            self._connection = WriterConnection(self._engine)
        return self._connection

    def _discard_connection(self) -> None:
        """Closing alone would leave the transaction open for as long as anything refers to one of its statements."""
        if self._connection is None:
            return
        with suppress(sqlite3.Error):  # closed already, or the disk fails again: the transaction ends in any case
            self._connection.driver.execute("ROLLBACK")
        self._connection.close()
        self._connection = None

    def _checkpoint_if_due(self) -> None:
        due = self._since_checkpoint >= CHECKPOINT_WRITES or time.monotonic() >= self._next_checkpoint
        if not due or self._connection is None:
            return
        size = _size(self._wal)
        truncate = size >= self._next_truncate
        try:
            cursor = self._connection.driver.execute(f"PRAGMA wal_checkpoint({'TRUNCATE' if truncate else 'PASSIVE'})")
            blocked = bool(cursor.fetchall()[0][0])
        except sqlite3.Error:
            blocked = True  # the next group finds out what is wrong, the WAL keeps everything meanwhile
        if truncate:
            # A reader that doesn't end would hold up every group by the busy timeout.
            self._next_truncate = size + TRUNCATE_BYTES // 4 if blocked else TRUNCATE_BYTES
        self._since_checkpoint = 0
        self._next_checkpoint = time.monotonic() + CHECKPOINT_SECONDS


def _in_transaction(driver: sqlite3.Connection) -> bool:
    try:
        return driver.in_transaction
    except sqlite3.ProgrammingError:  # closed
        return False


def _again(lost: DatabaseUnavailable) -> DatabaseUnavailable:
    """An exception for each caller: one instance would gather the tracebacks of all."""
    error = DatabaseUnavailable(*lost.args)
    error.__cause__ = lost.__cause__
    return error


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0


def _deliver(group: list[Outcome]) -> None:
    by_loop: dict[asyncio.AbstractEventLoop, list[Outcome]] = {}
    for outcome in group:
        by_loop.setdefault(outcome.future.get_loop(), []).append(outcome)
    for loop, outcomes in by_loop.items():
        try:
            loop.call_soon_threadsafe(_settle, outcomes)
        except RuntimeError:  # that loop is closed: its callers have gone
            continue


def _settle(outcomes: list[Outcome]) -> None:
    for future, result, error in outcomes:
        if future.done():  # the caller has gone
            continue
        if error is None:
            future.set_result(result)
        elif isinstance(error, StopIteration):  # which no future can carry
            future.set_exception(RuntimeError("the write function raised StopIteration"))
        else:
            future.set_exception(error)
