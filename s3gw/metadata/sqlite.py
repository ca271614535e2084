"""SQLite: point reads inline on the event loop, scans in threads, writes through the one writer thread.

A prepared point read takes less time than handing it to a thread, and most of that is taking and giving back the lock
of a read transaction. So all point reads of one turn of the event loop share one: it begins with the first of them and
is ended by a callback that is queued at that moment. Whatever runs before that callback was queued before the
transaction began, so everything that it may know of was committed before, and is seen. Because all of a turn see the
same state, they also share the answers of `look_up`: under load a key and a bucket are read once for many requests.
A scan is one transaction too, of a second at most.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from s3gw.metadata.database import Connection, Database
from s3gw.metadata.sqlite_connection import ScanConnection, SQLiteConnection, make_engine
from s3gw.metadata.sqlite_files import WriterLock, refuse_network_file_system
from s3gw.metadata.sqlite_writer import Writer

P = ParamSpec("P")
T = TypeVar("T")

SCAN_THREADS = 4


class SQLiteDatabase(Database):
    dialect = "sqlite"

    def __init__(self, path: Path) -> None:
        if not path.exists():
            raise FileNotFoundError(f"There is no database at {path}; it has to be migrated first.")
        refuse_network_file_system(path)
        self._lock = WriterLock(path)
        self._readers = make_engine(path, writes=False)
        self._writer = Writer(path, self._lock)
        self._inline = SQLiteConnection(self._readers)
        # Whose turn the open transaction of `_inline` belongs to, and what was looked up in it.
        self._turn_of: asyncio.AbstractEventLoop | None = None
        self._looked_up: dict[Any, Any] = {}
        self._scanners = ThreadPoolExecutor(SCAN_THREADS, "s3gw-scan")
        self._local = threading.local()
        self._scan_connections: list[ScanConnection] = []

    async def read(self, fn: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        if self._turn_of is None or self._turn_of.is_closed():
            self._begin_turn()
        return fn(self._inline, *args, **kwargs)

    async def look_up(self, fn: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        if self._turn_of is None or self._turn_of.is_closed():
            self._begin_turn()
        question = (fn, *args, *kwargs.items())
        try:
            found: T = self._looked_up[question]
        except KeyError:
            found = self._looked_up[question] = fn(self._inline, *args, **kwargs)
        return found

    def _begin_turn(self) -> None:
        self._end_turn()  # of a loop that was closed in the middle of one
        self._inline.begin()
        self._turn_of = asyncio.get_running_loop()  # a system call in Python 3.11, so it isn't asked at each read
        self._turn_of.call_soon(self._end_turn)

    def _end_turn(self) -> None:
        if self._turn_of is not None:
            self._turn_of = None
            self._looked_up.clear()
            self._inline.end()

    async def scan(self, fn: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        def run() -> T:
            conn = self._scan_connection()
            conn.begin()
            try:
                return fn(conn, *args, **kwargs)
            finally:
                conn.end()

        return await asyncio.get_running_loop().run_in_executor(self._scanners, run)

    def _scan_connection(self) -> ScanConnection:
        conn: ScanConnection | None = getattr(self._local, "connection", None)
        if conn is None:
            conn = self._local.connection = ScanConnection(self._readers)
            self._scan_connections.append(conn)
        return conn

    async def write(self, fn: Callable[..., T], *args: Any, keys: Sequence[str] = ()) -> T:
        result: T = await self._writer.submit(fn, args)
        return result

    async def close(self) -> None:
        self._end_turn()
        self._writer.stop()
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._writer.join()
        self._scanners.shutdown()
        # The last connection to close checkpoints the WAL and removes it.
        with self._lock.held():
            for conn in (self._inline, *self._scan_connections):
                conn.close()
            self._writer.close()
        self._lock.close()
