"""The door to the metadata: reads, scans and transactions, the same for SQLite and PostgreSQL.

Functions handed to `read`, `scan` and `write` are plain ones that take a `Connection` first and contain only SQL;
a write function may be run again. Statements on the hot path are prepared.py's, the database that a URL means is
engines.py's. How a transaction is made durable is in sqlite_writer.py and postgresql.py; the tables are in schema.py.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Concatenate, NamedTuple, ParamSpec, TypeVar

from sqlalchemy import Connection as SQLAlchemyConnection
from sqlalchemy import CursorResult, Executable, text
from sqlalchemy.engine.cursor import FullyBufferedCursorFetchStrategy

from s3gw.metadata.prepared import DialectName, Prepared

P = ParamSpec("P")
T = TypeVar("T")


class DatabaseUnavailable(Exception):
    """The read or transaction could not be had, or was lost. Of a write the outcome is unknown: a COMMIT that failed
    may still have reached the disk, so nothing that the transaction names may be unlinked because of it."""


class DatabaseFull(DatabaseUnavailable):
    """Its disk, or a quota, has no room for what was to be written. What removes rows may still succeed."""


class DatabaseReadOnly(DatabaseUnavailable):
    """It can be read, but not written."""


class UnsuitableDatabase(Exception):
    """A database that can't keep what s3gw promises: on a network file system, without fsync, with a newer schema."""


class Foreseen(NamedTuple):
    """The rows of a question that a write will ask, read before it. Where it `must_hold` and the rows are others then,
    the write is run again without what was foreseen.
    """

    question: Prepared
    parameters: dict[str, Any]
    rows: list[tuple[Any, ...]]
    must_hold: bool = True


class Connection(ABC):
    """What a read or write function works with. Never leaves that function; results are complete when they return."""

    dialect: ClassVar[DialectName]

    def __init__(self, sqlalchemy: SQLAlchemyConnection) -> None:
        self._sqlalchemy = sqlalchemy

    def execute(
        self, statement: Executable, parameters: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None
    ) -> CursorResult[Any]:
        """Run any SQLAlchemy statement. Every row is fetched at once: a half-read cursor would pin its snapshot."""
        result = self._sqlalchemy.execute(statement, parameters)
        if result.returns_rows:
            cursor: Any = result.cursor
            if cursor is None:  # the id of a new row was asked for by SQLAlchemy itself, and has been fetched
                return result
            result.cursor_strategy = FullyBufferedCursorFetchStrategy(cursor, initial_buffer=cursor.fetchall())
        return result

    @abstractmethod
    def rows_of(self, prepared: Prepared, parameters: dict[str, Any]) -> list[tuple[Any, ...]]: ...

    @abstractmethod
    def rowcount_of(self, prepared: Prepared, parameters: dict[str, Any]) -> int: ...

    @abstractmethod
    def run_for_each(self, prepared: Prepared, rows: Sequence[dict[str, Any]]) -> None: ...

    def run_later(self, prepared: Prepared, parameters: dict[str, Any]) -> int | None:
        """At the latest before the next statement whose outcome is asked for; None: its own isn't known yet."""
        return self.rowcount_of(prepared, parameters)

    def ask_together(self, *questions: tuple[Prepared, dict[str, Any]]) -> bool:
        """What is to be asked next, each once, where it saves time to ask it together; whether it does."""
        return False

    def take_number(self, numbers: Prepared) -> int | None:
        """One of those that the statement takes from a sequence, where they are taken in advance and some are left."""
        return None


class Database(ABC):
    """One process's access to the metadata. Every method may raise DatabaseUnavailable."""

    dialect: ClassVar[DialectName]
    reads_ahead: ClassVar[bool] = False  # where a statement is a round trip, of which one for two is the better
    is_read_only = False  # for as long as this process lives, because its disk is

    def write_fault(self) -> DatabaseUnavailable | None:
        """What the last write failed of, if it did. Every process writes several times a minute."""
        return None

    @abstractmethod
    async def read(self, fn: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Point reads. Each statement sees what was committed when it began."""

    async def read_shared(self, fn: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """As `read`, for what many requests ask at the same time; nobody may change what it returns."""
        return await self.read(fn, *args, **kwargs)

    @abstractmethod
    async def scan(self, fn: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Reads of more than a few rows, which may take a second. `fn` may be run twice."""

    @abstractmethod
    async def write(
        self, fn: Callable[..., T], *args: Any, keys: Sequence[str] = (), foreseen: Sequence[Foreseen] = ()
    ) -> T:
        """Run `fn` as one transaction; what it returns or raises arrives when that is durable.

        `foreseen` saves a round trip where a question is one. `keys` name what it changes: on PostgreSQL,
        writers that have a key in common take turns. A caller that is cancelled meanwhile changes nothing: the
        transaction runs on.
        """

    @abstractmethod
    async def close(self) -> None:
        """End what was begun, then let go of the database."""


POSTGRESQL_CLOCK = Prepared(text("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"))


def now(conn: Connection) -> int:
    """Microseconds since the epoch by the database's clock, which all nodes share."""
    if conn.dialect == "sqlite":
        return time.time_ns() // 1000
    return int(POSTGRESQL_CLOCK.value(conn))
