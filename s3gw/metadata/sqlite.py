"""SQLite: reads on the event loop, scans too while they are short, writes through the one writer thread.

A prepared point read takes less time than handing it to a thread, and most of that is taking and giving back the lock
of a read transaction. So all point reads of one turn of the event loop share one: it begins with the first of them and
is ended by a callback that is queued at that moment. Whatever runs before that callback was queued before the
transaction began, so every write whose success it may know of was committed before, and the transaction sees it.
Because all of a turn see the same state, they also share the answers of `read_shared`: under load a key and a bucket
are read once for many requests.

A scan is a transaction of its own. In a thread a page costs twice the CPU, because two threads then compete for the
interpreter; so it is tried on the event loop, one a turn. What waits for the disk too long is begun again in a thread,
where it may take a second.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from s3gw.disks.faults import is_read_only
from s3gw.disks.reserve import Reserve, spending
from s3gw.metadata.database import Connection, Database, DatabaseReadOnly, DatabaseUnavailable, Foreseen
from s3gw.metadata.sqlite_connection import (
    MAX_SCAN_SECONDS,
    ScanConnection,
    SQLiteConnection,
    TriedScanConnection,
    found_full,
    make_engine,
)
from s3gw.metadata.sqlite_files import WriterLock, refuse_network_file_system
from s3gw.metadata.sqlite_writer import Writer

P = ParamSpec("P")
T = TypeVar("T")

SCAN_THREADS = 2
# After so many scans in a row that were too slow for the event loop (a cold disk), others go to threads untried for a
# pause that doubles each time. Not after the first: it keeps a thread busy, which slows down what is tried beside it.
_MOST_SLOW = 4
_LEAST_PAUSE, _MOST_PAUSE = 0.01, 1.0


class SQLiteDatabase(Database):
    dialect = "sqlite"

    def __init__(self, path: Path, scan_seconds: float = MAX_SCAN_SECONDS) -> None:
        if not path.exists():
            raise FileNotFoundError(f"There is no database at {path}; it has to be migrated first.")
        refuse_network_file_system(path)
        self.is_read_only = is_read_only(path.absolute().parent)
        self._readers = make_engine(path, writes=False)
        self._writer = None if self.is_read_only else open_writer(path)
        self._inline = SQLiteConnection(self._readers)
        # Whose turn the open transaction of `_inline` belongs to, and what was looked up in it.
        self._turn_of: asyncio.AbstractEventLoop | None = None
        self._shared: dict[Any, Any] = {}
        self._tried = TriedScanConnection(self._readers)
        self._trying = asyncio.Lock()
        self._slow_in_a_row = 0
        self._try_from = 0.0  # of the monotonic clock
        self._scan_seconds = scan_seconds
        self._scanners = ThreadPoolExecutor(SCAN_THREADS, "s3gw-scan")
        self._local = threading.local()  # a connection for each thread; the list of them is only appended to by threads
        self._scan_connections: list[ScanConnection] = []

    async def read(self, fn: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        if self._turn_of is None or self._turn_of.is_closed():
            self._begin_turn()
        return fn(self._inline, *args, **kwargs)

    async def read_shared(self, fn: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        if self._turn_of is None or self._turn_of.is_closed():
            self._begin_turn()
        question = (fn, *args, *kwargs.items())
        try:
            found: T = self._shared[question]
        except KeyError:
            found = self._shared[question] = fn(self._inline, *args, **kwargs)
        return found

    def _begin_turn(self) -> None:
        self._end_turn()  # of a loop that was closed in the middle of one
        self._inline.begin()
        self._turn_of = asyncio.get_running_loop()  # a system call in Python 3.11, so it isn't asked at each read
        self._turn_of.call_soon(self._end_turn)

    def _end_turn(self) -> None:
        if self._turn_of is not None:
            self._turn_of = None
            self._shared.clear()
            self._inline.end()

    async def scan(self, fn: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        def run(conn: Connection) -> T:
            return fn(conn, *args, **kwargs)

        async with self._trying:
            if time.monotonic() >= self._try_from:
                try:
                    result = self._tried.scan(run)
                    self._slow_in_a_row = 0
                    return result
                except DatabaseUnavailable:
                    self._slow_in_a_row += 1
                    if self._slow_in_a_row >= _MOST_SLOW:
                        pause = _LEAST_PAUSE * 2 ** min(self._slow_in_a_row - _MOST_SLOW, 10)
                        self._try_from = time.monotonic() + min(pause, _MOST_PAUSE)
                finally:
                    await asyncio.sleep(0)  # lets other tasks run before the next scan
        return await asyncio.get_running_loop().run_in_executor(
            self._scanners, lambda: self._scan_connection().scan(run)
        )

    def _scan_connection(self) -> ScanConnection:
        conn: ScanConnection | None = getattr(self._local, "connection", None)
        if conn is None:
            conn = self._local.connection = ScanConnection(self._readers, self._scan_seconds)
            self._scan_connections.append(conn)
        return conn

    async def write(
        self, fn: Callable[..., T], *args: Any, keys: Sequence[str] = (), foreseen: Sequence[Foreseen] = ()
    ) -> T:
        if self._writer is None:
            raise DatabaseReadOnly("the disk of the database was read-only when this process began")
        result: T = await self._writer.submit(fn, args)
        return result

    def write_fault(self) -> DatabaseUnavailable | None:
        return DatabaseReadOnly() if self._writer is None else self._writer.lost

    async def close(self) -> None:
        self._end_turn()
        if self._writer is not None:
            self._writer.stop()
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        if self._writer is not None:
            self._writer.join()
        self._scanners.shutdown()
        # The last connection to close checkpoints the WAL and removes it.
        with self._writer.lock.held() if self._writer is not None else nullcontext():
            for conn in (self._inline, self._tried, *self._scan_connections):
                conn.close()
            if self._writer is not None:
                self._writer.close()
        if self._writer is not None:
            self._writer.lock.close()


def open_writer(path: Path) -> Writer:
    """SQLite makes files when a database is opened: on a full disk the reserve is released until there is room."""
    folder = path.absolute().parent
    lock = spending(folder, lambda: WriterLock(path))
    while True:
        try:
            return Writer(path, lock)
        except DatabaseUnavailable as error:
            if not found_full(error.__cause__, folder) or not Reserve(folder).release():
                lock.close()
                raise
