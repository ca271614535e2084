"""The tables of a backup: what is dumped of them and loaded again, the same for both databases. dump.py, load.py.

What is true of living processes only (who they are and what they read) isn't part of a backup.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

from sqlalchemy import Double, LargeBinary, Table, Text

from s3gw.metadata.database import UnsuitableDatabase
from s3gw.metadata.revision import NEWEST
from s3gw.metadata.schema import blob_pins, content_pins, metadata, processes

IDENTITY = "SELECT value FROM settings WHERE name = 'store'"
_VOLATILE = frozenset((processes.name, content_pins.name, blob_pins.name))


class Dumped(NamedTuple):
    """A table. `binary` are the places of columns that hold bytes, `keys` those of its primary key."""

    name: str
    columns: tuple[str, ...]
    binary: tuple[int, ...]
    keys: tuple[int, ...]


class Dump(Protocol):
    """The database at one moment, for one thread at a time."""

    engine: str

    def rows(self, table: Dumped) -> Iterator[tuple[Any, ...]]:
        """In the order of the primary key."""

    def setting(self, name: str) -> str | None: ...

    def sequences(self) -> dict[str, int]:
        """By table, the last id that was given."""


class Loaded(NamedTuple):
    """A table to be filled, by its names in the schema of the backup's time."""

    name: str
    columns: tuple[str, ...]
    rows: Iterable[Sequence[Any]]


def tables() -> list[Dumped]:
    """What a table refers to comes before it."""
    return [_dumped(table) for table in metadata.sorted_tables if table.name not in _VOLATILE]


def _dumped(table: Table) -> Dumped:
    columns = tuple(column.name for column in table.columns)
    binary = tuple(place for place, column in enumerate(table.columns) if isinstance(column.type, LargeBinary))
    keys = tuple(columns.index(column.name) for column in table.primary_key.columns)
    return Dumped(table.name, columns, binary, keys)


def counting() -> list[str]:
    """The tables whose ids the database gives."""
    return [table.name for table in metadata.sorted_tables if table.primary_key.columns[0].autoincrement is True]


def require_newest(found: str | None) -> None:
    if found != NEWEST:
        raise UnsuitableDatabase(
            f"the schema of the database is {found or 'of another program'}, this s3gw's is {NEWEST}:"
            " start its server once, which migrates it"
        )


def quoted(name: str) -> str:
    """A name of the schema's in SQL: `transaction` is a word of the language."""
    return '"' + name.replace('"', '""') + '"'


def type_of(column: Any) -> str:
    """As PostgreSQL calls what a column's values are dumped as."""
    kinds = ((LargeBinary, "bytea"), (Double, "float8"), (Text, "text"))
    return next((name for kind, name in kinds if isinstance(column.type, kind)), "int8")
