"""The door to the metadata: reads, scans and transactions, the same for SQLite and PostgreSQL.

Functions handed to `read`, `scan` and `write` are plain ones that take a `Connection` first and contain only SQL;
a write function may be run again. `Prepared` is for statements on the hot path. How a transaction is made durable is
in sqlite_writer.py and postgresql.py; what the tables are is in schema.py.
"""

from __future__ import annotations

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any, ClassVar, Concatenate, Literal, NamedTuple, ParamSpec, TypeVar, cast

from sqlalchemy import ColumnClause, CursorResult, Executable, literal_column, text
from sqlalchemy import Connection as SQLAlchemyConnection
from sqlalchemy.dialects.postgresql import insert as insert_on_conflict
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.engine import Dialect
from sqlalchemy.engine.cursor import FullyBufferedCursorFetchStrategy
from sqlalchemy.sql.elements import BindParameter, ClauseElement
from sqlalchemy.sql.visitors import replacement_traverse

__all__ = [
    "Connection",
    "Database",
    "DatabaseFull",
    "DatabaseReadOnly",
    "DatabaseUnavailable",
    "Prepared",
    "UnsuitableDatabase",
    "insert_on_conflict",
    "migrate",
    "now",
    "open_database",
]

P = ParamSpec("P")
T = TypeVar("T")
DialectName = Literal["sqlite", "postgresql"]

# Positional parameters: the drivers bind a tuple faster than names.
_DIALECTS: dict[str, Callable[[], Dialect]] = {
    "sqlite": lambda: SQLiteDialect_pysqlite(paramstyle="qmark"),
    "postgresql": lambda: PGDialect_psycopg(paramstyle="format"),  # type: ignore[no-untyped-call]
}


class DatabaseUnavailable(Exception):
    """The read or transaction could not be had, or was lost. Of a write the outcome is unknown: a COMMIT that failed
    may still have reached the disk, so nothing that the transaction names may be unlinked because of it."""


class DatabaseFull(DatabaseUnavailable):
    """Its disk, or a quota, has no room for what was to be written. What removes rows may still succeed."""


class DatabaseReadOnly(DatabaseUnavailable):
    """It can be read, but not written."""


class UnsuitableDatabase(Exception):
    """A database that can't keep what s3gw promises: on a network file system, without fsync, with a newer schema."""


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
            result.cursor_strategy = FullyBufferedCursorFetchStrategy(cursor, initial_buffer=cursor.fetchall())
        return result

    @abstractmethod
    def rows_of(self, prepared: Prepared, parameters: dict[str, Any]) -> list[tuple[Any, ...]]: ...

    @abstractmethod
    def rowcount_of(self, prepared: Prepared, parameters: dict[str, Any]) -> int: ...


class Prepared:
    """A statement with `bindparam`s, built at import, compiled once per database, run straight through the driver.

    Values are those the driver takes for the column's type, and rows are plain tuples of what it gives. A violated
    constraint raises SQLAlchemy's IntegrityError, as `Connection.execute` does.
    """

    def __init__(self, statement: Executable) -> None:
        # A constant must be seen by the planner: neither database uses a partial index `WHERE is_current = 1` for
        # a condition `is_current = ?`.
        assert isinstance(statement, ClauseElement)
        self._statement = cast(ClauseElement, replacement_traverse(statement, {}, _constant))
        # Threads may compile one twice: each sets a complete and equal one by a single step.
        self._forms: dict[str, _Form] = {}
        self._as_json: Prepared | None = None

    def one_or_none(self, conn: Connection, /, **parameters: Any) -> tuple[Any, ...] | None:
        """The only row, or None. More than one is a mistake in the statement."""
        rows = conn.rows_of(self, parameters)
        if not rows:
            return None
        if len(rows) > 1:
            raise ValueError(f"{len(rows)} rows where at most one was expected")
        return rows[0]

    def all(self, conn: Connection, /, **parameters: Any) -> list[tuple[Any, ...]]:
        return conn.rows_of(self, parameters)

    def all_at_once(self, conn: Connection, /, **parameters: Any) -> list[Sequence[Any]]:
        """As `all`, for many rows of text and numbers.

        SQLite's driver gives up the interpreter at each row and has to get it back from the event loop, which makes a
        page of a thousand rows several times as expensive. Here SQLite puts the rows together in one step, as JSON.
        """
        if conn.dialect != "sqlite":
            return list(conn.rows_of(self, parameters))
        if self._as_json is None:
            self._as_json = self._wrapped_as_json()
        rows: list[Sequence[Any]] = json.loads(conn.rows_of(self._as_json, parameters)[0][0])
        return rows

    def _wrapped_as_json(self) -> Prepared:
        form, columns = self.form("sqlite"), cast("Any", self._statement).selected_columns
        names = ", ".join(f'"{column.name}"' for column in columns)
        wrapped = Prepared(cast("Executable", self._statement))
        wrapped._forms["sqlite"] = form._replace(sql=f"SELECT json_group_array(json_array({names})) FROM ({form.sql})")
        return wrapped

    def run(self, conn: Connection, /, **parameters: Any) -> int:
        """Run an INSERT, UPDATE or DELETE; the number of rows it concerned."""
        return conn.rowcount_of(self, parameters)

    def form(self, dialect: DialectName) -> _Form:
        form = self._forms.get(dialect)
        if form is None:
            form = self._forms[dialect] = _compile(self._statement, dialect)
        return form


class _Form(NamedTuple):
    """A statement compiled for one driver: its SQL, and how named parameters become positional ones."""

    sql: str
    names: frozenset[str]
    constants: dict[str, Any]
    pick: Callable[[dict[str, Any]], tuple[Any, ...]]

    def arguments(self, parameters: dict[str, Any]) -> tuple[Any, ...]:
        if len(parameters) != len(self.names):
            raise TypeError(f"parameters differ in {sorted(self.names ^ parameters.keys())}: {self.sql}")
        if self.constants:
            parameters.update(self.constants)
        return self.pick(parameters)


def _constant(element: Any, **_: Any) -> ColumnClause[Any] | None:
    if not isinstance(element, BindParameter) or element.required or element.callable is not None:
        return None
    if type(element.value) is int:
        return literal_column(str(element.value), element.type)
    if type(element.value) is str:
        quoted = element.value.replace("'", "''")
        return literal_column(f"'{quoted}'", element.type)
    return None


def _compile(statement: ClauseElement, dialect: DialectName) -> _Form:
    compiled: Any = statement.compile(dialect=_DIALECTS[dialect]())
    if compiled.post_compile_params:
        raise ValueError(f"a prepared statement can't have lists as parameters: {compiled.string}")
    order: list[str] = compiled.positiontup or []
    required = {name for bound, name in compiled.bind_names.items() if bound.required}
    constants = {name: bound.value for bound, name in compiled.bind_names.items() if not bound.required}
    return _Form(compiled.string, frozenset(required), constants, _picker(order))


def _picker(order: list[str]) -> Callable[[dict[str, Any]], tuple[Any, ...]]:
    if len(order) > 1:
        return itemgetter(*order)
    return lambda parameters: tuple(parameters[name] for name in order)


class Database(ABC):
    """One process's access to the metadata. Every method may raise DatabaseUnavailable."""

    dialect: ClassVar[DialectName]
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
    async def write(self, fn: Callable[..., T], *args: Any, keys: Sequence[str] = ()) -> T:
        """Run `fn` as one transaction; what it returns or raises arrives when that is durable.

        `keys` name what it changes: on PostgreSQL, writers that have a key in common take turns. A caller that is
        cancelled meanwhile changes nothing: the transaction runs on.
        """

    @abstractmethod
    async def close(self) -> None:
        """End what was begun, then let go of the database."""


_POSTGRESQL_NOW = Prepared(text("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"))


def now(conn: Connection) -> int:
    """Microseconds since the epoch by the database's clock, which all nodes share."""
    if conn.dialect == "sqlite":
        return time.time_ns() // 1000
    return int(_POSTGRESQL_NOW.all(conn)[0][0])


def open_database(url: str | None, data: Path) -> Database:
    """Open `sqlite:///path` (default: s3gw.db in the data folder) or `postgresql://…`. Its schema must be migrated."""
    # Each process loads the one driver that it uses.
    if is_postgresql(url):
        from s3gw.metadata.postgresql import PostgreSQLDatabase

        return PostgreSQLDatabase(str(url))
    from s3gw.metadata.sqlite import SQLiteDatabase

    return SQLiteDatabase(sqlite_path(url, data))


def migrate(url: str | None, data: Path) -> None:
    """Bring the schema up to date, creating the database file if there is none. Starters of several nodes may race."""
    from s3gw.metadata.migrate import upgrade  # Alembic: only in the process that starts the others

    upgrade(url, data)


def is_postgresql(url: str | None) -> bool:
    return url is not None and url.partition("://")[0] in ("postgresql", "postgres", "postgresql+psycopg")


def database_folder(url: str | None, data: Path) -> Path | None:
    """Whose disk the database needs room on; None of a server's, which looks after its own."""
    return None if is_postgresql(url) else sqlite_path(url, data).absolute().parent


def sqlite_path(url: str | None, data: Path) -> Path:
    if url is None:
        return data / "s3gw.db"
    scheme, _, path = url.partition(":///")
    if scheme != "sqlite" or not path or path.startswith(":"):
        raise ValueError("--database-url (S3GW_DATABASE_URL) must be sqlite:///PATH or postgresql://…")
    return Path(path)
