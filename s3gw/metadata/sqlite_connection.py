"""Connections to SQLite as read and write functions see them, and what its errors mean."""

from __future__ import annotations

import resource
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import CursorResult, Engine, Executable, create_engine
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.pool import NullPool

from s3gw.disks.faults import is_full, write_fault
from s3gw.metadata.database import Connection, DatabaseFull, DatabaseReadOnly, DatabaseUnavailable
from s3gw.metadata.prepared import Prepared
from s3gw.metadata.sqlite_files import connect

MAX_SCAN_SECONDS = 1.0
MAX_COMMAND_SCAN_SECONDS = 60.0  # whose lists may be long, and whose machine may be busy
# SQLite's instructions between two looks at the clock, each of which needs the interpreter's lock: about a millisecond;
# for a tried scan 50 µs, in which it waits for a cold disk some 25 times at most.
_INSTRUCTIONS, _FEW_INSTRUCTIONS = 100_000, 5_000
_TRIED_SECONDS, _MOST_TRIED_SECONDS = 0.01, 0.05  # a page of what is cached takes 1 to 3 ms
_WHO = getattr(resource, "RUSAGE_THREAD", resource.RUSAGE_SELF)
# https://www.sqlite.org/rescode.html: BUSY LOCKED NOMEM READONLY INTERRUPT IOERR FULL CANTOPEN PROTOCOL
_UNAVAILABLE = frozenset((5, 6, 7, 8, 9, 10, 13, 14, 15))
_READONLY, _FULL, _CANTOPEN = 8, 13, 14
# IOERR_WRITE (a quota, or a broken disk) and IOERR_SHMSIZE (the -shm can't grow).
_MAY_BE_FULL = frozenset((778, 4874))

T = TypeVar("T")


class SQLiteConnection(Connection):
    """The raw driver connection, and SQLAlchemy's around it for statements that are compiled as they come."""

    dialect = "sqlite"

    def __init__(self, engine: Engine) -> None:
        try:
            super().__init__(engine.connect())
        except DBAPIError as error:
            raise unavailable(error.orig) from error.orig
        driver = self._sqlalchemy.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        self.driver = driver

    def rows_of(self, prepared: Prepared, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
        form = prepared.form("sqlite")
        try:
            return self.driver.execute(form.sql, form.arguments(parameters)).fetchall()
        except sqlite3.Error as error:
            raise self._failed(error, form.sql) from error

    def rowcount_of(self, prepared: Prepared, parameters: dict[str, Any]) -> int:
        form = prepared.form("sqlite")
        try:
            cursor = self.driver.execute(form.sql, form.arguments(parameters))
            if cursor.description is not None:
                return len(cursor.fetchall())
            return cursor.rowcount
        except sqlite3.Error as error:
            raise self._failed(error, form.sql) from error

    def run_for_each(self, prepared: Prepared, rows: Sequence[dict[str, Any]]) -> None:
        form = prepared.form("sqlite")
        try:
            self.driver.executemany(form.sql, [form.arguments(row) for row in rows])
        except sqlite3.Error as error:
            raise self._failed(error, form.sql) from error

    def execute(
        self, statement: Executable, parameters: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None
    ) -> CursorResult[Any]:
        try:
            return super().execute(statement, parameters)
        except DBAPIError as error:
            raise self._failed(error.orig, error.statement or "") from error
        except sqlite3.Error as error:
            raise self._failed(error, "") from error

    def _failed(self, error: BaseException | None, sql: str) -> BaseException:
        """What to raise for an error of the driver."""
        if isinstance(error, sqlite3.IntegrityError):
            return IntegrityError(sql, None, error, hide_parameters=True)
        return unavailable(error)

    def begin(self) -> None:
        """Let the statements until `end` see one state: that of the first of them."""
        try:
            self.driver.execute("BEGIN")
        except sqlite3.Error as error:
            raise unavailable(error) from error

    def end(self) -> None:
        if self.driver.in_transaction:
            self.driver.execute("ROLLBACK")  # nothing was written; unlike COMMIT it can't fail

    def close(self) -> None:
        self._sqlalchemy.invalidate()  # SQLAlchemy has begun nothing that it would have to end
        self._sqlalchemy.close()
        self.driver.close()


def unavailable(error: BaseException | None) -> BaseException:
    """DatabaseUnavailable for what may pass (busy, full, I/O); the error itself for a mistake in a statement."""
    code = getattr(error, "sqlite_errorcode", None)
    if error is not None and (code is None or code & 0xFF not in _UNAVAILABLE):
        return error
    kinds = {_FULL: DatabaseFull, _READONLY: DatabaseReadOnly}
    return kinds.get((code or 0) & 0xFF, DatabaseUnavailable)(str(error))


def found_full(error: BaseException | None, folder: Path) -> bool:
    """Whether room on the disk of that folder, a quota or an inode was all that was missing.

    SQLite knows a disk without bytes; of others it says that a file can't be written or opened, and the disk says why.
    """
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return False
    may_be = code & 0xFF == _CANTOPEN or code in _MAY_BE_FULL
    return code & 0xFF == _FULL or (may_be and is_full(write_fault(folder)))


class ScanConnection(SQLiteConnection):
    """Ends a scan that takes longer than `seconds`: it would keep the WAL from being reset."""

    _instructions = _INSTRUCTIONS

    def __init__(self, engine: Engine, seconds: float) -> None:
        super().__init__(engine)
        self._seconds, self._deadline = seconds, 0.0
        self._is_ending = False
        self.driver.set_progress_handler(lambda: not self._is_ending and self._is_late(), self._instructions)

    def scan(self, run: Callable[[Connection], T]) -> T:
        """`run` in one transaction. Its end isn't interrupted, however late it is: SQLite counts the instructions of a
        statement over all times that it is run, so one of few is asked too now and then, and the connection would stay
        in the transaction.
        """
        self._deadline, self._is_ending = time.monotonic() + self._seconds, False
        self.begin()
        try:
            return run(self)
        finally:
            self._is_ending = True
            self.end()

    def _is_late(self) -> bool:
        return time.monotonic() > self._deadline


class TriedScanConnection(ScanConnection):
    """For the event loop: ends a scan that waits for the disk longer than 10 ms, or takes 50 for another reason.

    Time alone doesn't show a slow disk: the thread may have waited for the processor.
    """

    _instructions = _FEW_INSTRUCTIONS

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine, _MOST_TRIED_SECONDS)

    def scan(self, run: Callable[[Connection], T]) -> T:
        self._began, self._reads = time.monotonic(), _disk_reads()
        return super().scan(run)

    def _is_late(self) -> bool:
        seconds = time.monotonic() - self._began
        return seconds > _TRIED_SECONDS and (seconds > _MOST_TRIED_SECONDS or _disk_reads() != self._reads)


def _disk_reads() -> int:
    """How often this thread (on macOS: this process) has waited for a page that was on the disk."""
    usage = resource.getrusage(_WHO)
    return usage.ru_majflt + usage.ru_inblock


def make_engine(path: Path, *, writes: bool) -> Engine:
    """For SQLAlchemy's compiler and its cache. It opens connections, but never begins or ends a transaction."""
    return create_engine("sqlite://", creator=lambda: connect(path, writes=writes), poolclass=NullPool)
