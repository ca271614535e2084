"""Statements on the hot path: built at import, compiled once per database, run straight through the driver."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any, Literal, NamedTuple, Protocol, cast

from sqlalchemy import ColumnClause, Executable, literal_column
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.elements import BindParameter, ClauseElement
from sqlalchemy.sql.visitors import replacement_traverse

DialectName = Literal["sqlite", "postgresql"]

# Positional parameters: the drivers bind a tuple faster than names.
_DIALECTS: dict[str, Callable[[], Dialect]] = {
    "sqlite": lambda: SQLiteDialect_pysqlite(paramstyle="qmark"),
    "postgresql": lambda: PGDialect_psycopg(paramstyle="numeric_dollar"),  # type: ignore[no-untyped-call]
}


class Driver(Protocol):
    """What runs a prepared statement: a connection (database.py)."""

    @property
    def dialect(self) -> DialectName: ...

    def rows_of(self, prepared: Prepared, parameters: dict[str, Any]) -> list[tuple[Any, ...]]: ...

    def rowcount_of(self, prepared: Prepared, parameters: dict[str, Any]) -> int: ...

    def run_for_each(self, prepared: Prepared, rows: Sequence[dict[str, Any]]) -> None: ...

    def run_later(self, prepared: Prepared, parameters: dict[str, Any]) -> int | None: ...


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
        # Two threads may compile the same form; each stores a complete one by one assignment, and both are equal.
        self._forms: dict[str, _Form] = {}
        self._as_json: Prepared | None = None

    def one_or_none(self, conn: Driver, /, **parameters: Any) -> tuple[Any, ...] | None:
        """The only row, or None. More than one is a mistake in the statement."""
        rows = conn.rows_of(self, parameters)
        if not rows:
            return None
        if len(rows) > 1:
            raise ValueError(f"{len(rows)} rows where at most one was expected")
        return rows[0]

    def value(self, conn: Driver, /, **parameters: Any) -> Any:
        """Of the only row the only column; None when there is no row."""
        row = self.one_or_none(conn, **parameters)
        return None if row is None else row[0]

    def values(self, conn: Driver, /, **parameters: Any) -> list[Any]:
        """Of each row the only column."""
        return [value for (value,) in conn.rows_of(self, parameters)]

    def all(self, conn: Driver, /, **parameters: Any) -> list[tuple[Any, ...]]:
        return conn.rows_of(self, parameters)

    def all_at_once(self, conn: Driver, /, **parameters: Any) -> list[Sequence[Any]]:
        """As `all`, for many rows of text and numbers.

        SQLite's driver gives up the interpreter at each row and has to get it back from the event loop, which makes a
        page of a thousand rows several times as expensive. Here SQLite puts the rows together in one step, as JSON.
        """
        if conn.dialect != "sqlite":
            return list(conn.rows_of(self, parameters))
        if self._as_json is None:
            self._as_json = self._wrapped_as_json()
        rows: list[Sequence[Any]] = json.loads(self._as_json.value(conn, **parameters))
        return rows

    def _wrapped_as_json(self) -> Prepared:
        form, columns = self.form("sqlite"), cast("Any", self._statement).selected_columns
        names = ", ".join(f'"{column.name}"' for column in columns)
        wrapped = Prepared(cast("Executable", self._statement))
        wrapped._forms["sqlite"] = form._replace(sql=f"SELECT json_group_array(json_array({names})) FROM ({form.sql})")
        return wrapped

    def run(self, conn: Driver, /, **parameters: Any) -> int:
        """Run an INSERT, UPDATE or DELETE; the number of rows it concerned."""
        return conn.rowcount_of(self, parameters)

    def run_later(self, conn: Driver, /, **parameters: Any) -> int | None:
        """As `run`, where what it raises concerns nobody before the end: sent with what comes next, where that is the
        quicker. The number is None where it isn't known yet.
        """
        return conn.run_later(self, parameters)

    def run_for_each(self, conn: Driver, rows: Sequence[dict[str, Any]], /) -> None:
        """Run it once for each, in their order."""
        conn.run_for_each(self, rows)

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
    if not isinstance(element, BindParameter):
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
