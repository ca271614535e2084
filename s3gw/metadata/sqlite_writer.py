"""The one thread per process that writes to SQLite: many writes, each in a savepoint, become durable by one COMMIT.

What a write returned or raised is delivered after that COMMIT, a whole group in one call into the event loop. If
COMMIT fails, or an error has ended the transaction, every member of the group hears DatabaseUnavailable: an ended
transaction silently undoes the savepoints released in it. Checkpoints run here only, under the writer lock, when
the answers are out.

A group that finds the disk full is run again, each member by itself, after the reserve was given up (disks/reserve.py):
a DELETE needs room before it frees any, which another write of its group could use up.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import Any, NamedTuple

from s3gw.disks.faults import in_words
from s3gw.disks.reserve import Reserve
from s3gw.metadata.database import DatabaseFull, DatabaseUnavailable
from s3gw.metadata.sqlite_connection import SQLiteConnection, found_full, make_engine, unavailable
from s3gw.metadata.sqlite_files import WriterLock

MAX_GROUP = 128
MAX_GROUP_SECONDS = 0.02
# Larger steps would write inner pages less often, but each makes the next group wait: 500 writes of 4 KiB take 15 ms.
CHECKPOINT_WRITES = 500
CHECKPOINT_SECONDS = 5.0
TRUNCATE_BYTES = 64 << 20


_watchers: list[Callable[[int], None]] = []  # told of the writes of each group; filled before any is written


def watch(watcher: Callable[[int], None]) -> None:
    """Have somebody told how many writes each group has, by the writer's thread."""
    _watchers.append(watcher)


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
    """`_gathering` and `_closed` are touched on the event loop only, what follows the queue by the thread only. Between
    them are the queue, from which only the thread takes, and `call_soon_threadsafe`."""

    def __init__(self, path: Path, lock: WriterLock) -> None:
        self._engine = make_engine(path, writes=True)
        self._wal = f"{path}-wal"
        self._folder = path.absolute().parent
        self._alone = 0  # how many of `_waiting`, from its beginning, are committed one by one
        self.lost: DatabaseUnavailable | None = None  # why the last transaction was; for /readyz, which only reads it
        self.lock = lock
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
            self.lock.acquire()
        except OSError as error:  # nothing begun
            self.lost = DatabaseUnavailable(f"the writer lock can't be had: {in_words(error)}")
            _fail(self._waiting, self.lost)
            self._waiting.clear()
            return
        try:
            self._write_group()
            self._checkpoint_if_due()
        finally:
            self.lock.release()

    def _take(self, writes: list[Write] | None) -> None:
        if writes is None:
            self._stopping = True
        else:
            self._waiting.extend(writes)

    def _take_all(self) -> None:
        while not self._queue.empty():
            self._take(self._queue.get())

    def _write_group(self) -> None:
        begun: list[Write] = []
        try:
            conn = self._usable_connection()
            group = self._run(conn, conn.driver.cursor(), begun)
        except (sqlite3.Error, DatabaseUnavailable, GroupLost, MemoryError) as error:
            self._discard_connection()
            if not begun:  # no transaction could be begun: those that wait must hear it
                begun = [self._waiting.popleft() for _ in range(1 if self._alone else len(self._waiting))]
            self._lose(begun, _driver_error(error))
            return
        self.lost = None
        self._alone = max(0, self._alone - len(begun))
        self._since_checkpoint += len(group)
        for watcher in _watchers:
            watcher(len(group))
        _deliver(group)

    def _lose(self, begun: list[Write], error: BaseException) -> None:
        """Run the group once more where room was all that was missing, else tell its members."""
        is_full = found_full(error, self._folder)
        if is_full and (Reserve(self._folder).release() or not self._alone):
            self._empty_wal()
            self._alone = max(self._alone, len(begun))
            self._waiting.extendleft(reversed(begun))
            return
        self._alone = max(0, self._alone - len(begun))
        judged = DatabaseFull if is_full else type(unavailable(error))
        kind = judged if issubclass(judged, DatabaseUnavailable) else DatabaseUnavailable
        self.lost = kind(f"the transaction was lost: {error}")
        self.lost.__cause__ = error
        _fail(begun, self.lost)

    def _empty_wal(self) -> None:
        """Once what is in it is in the database, the next group begins at its start and needs no room to grow."""
        with suppress(sqlite3.Error, DatabaseUnavailable):  # the next attempt says what is wrong
            self._usable_connection().driver.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def _run(self, conn: WriterConnection, cursor: sqlite3.Cursor, begun: list[Write]) -> list[Outcome]:
        """Move writes from the queue into `begun` and commit them. Those that come while it runs still join."""
        execute, driver, waiting = cursor.execute, conn.driver, self._waiting
        group: list[Outcome] = []
        execute("BEGIN IMMEDIATE")
        end = time.monotonic() + MAX_GROUP_SECONDS
        most = 1 if self._alone else MAX_GROUP
        while waiting and len(group) < most:
            begun.append(waiting.popleft())
            future, fn, args = begun[-1]
            execute("SAVEPOINT member")
            try:
                outcome = Outcome(future, fn(conn, *args), None)
            except BaseException as error:  # delivered to the caller below, whatever it is
                outcome = Outcome(future, None, error)
            group.append(outcome)
            if not _in_transaction(driver) or isinstance(outcome.error, DatabaseFull):
                raise GroupLost from outcome.error
            if outcome.error is not None:
                execute("ROLLBACK TO member")
            execute("RELEASE member")
            if time.monotonic() > end:
                break
            if not waiting:
                self._take_all()
        execute("COMMIT")
        return group

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


def _driver_error(error: BaseException) -> BaseException:
    """The one that SQLite's driver raised, if any did: it knows the kind."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, sqlite3.Error):
        cause = cause.__cause__
    return cause or error.__cause__ or error


def _fail(writes: Iterable[Write], lost: DatabaseUnavailable) -> None:
    """With an exception for each caller: one instance would gather the tracebacks of all."""
    outcomes = []
    for write in writes:
        error = type(lost)(*lost.args)
        error.__cause__ = lost.__cause__
        outcomes.append(Outcome(write.future, None, error))
    _deliver(outcomes)


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:  # there is none; or the disk fails, which the next group finds out
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
