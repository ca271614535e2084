"""SQL of backups, reading: every row of every table as it was at one moment, while others write.

SQLite is copied by its online backup in one step, which is one read transaction: in several steps it would begin anew
whenever another process writes. It takes as long as copying the file does, and the rows are read from the copy, so the
WAL isn't kept from being reset for longer. PostgreSQL gives one REPEATABLE READ transaction, and each table by COPY: no
pg_dump is needed, whose version must fit the server's, and whose output no other database could read.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from s3gw.metadata.database_url import is_postgresql, sqlite_path
from s3gw.metadata.dumped import Dump, Dumped, counting, quoted, require_newest
from s3gw.metadata.sqlite_connection import unavailable
from s3gw.metadata.sqlite_files import connect

_AT_ONCE = 1000  # rows
_REVISION = "SELECT version_num FROM alembic_version"


@contextmanager
def open_dump(url: str | None, data: Path, scratch: Path) -> Iterator[Dump]:
    """`scratch` is a folder with room for SQLite's database. Raises DatabaseUnavailable and UnsuitableDatabase."""
    if is_postgresql(url):
        from s3gw.metadata.dump_postgresql import open_postgresql_dump

        with open_postgresql_dump(str(url)) as dump:
            yield dump
        return
    copy = scratch / "s3gw.db"
    try:
        with closing(connect(sqlite_path(url, data), writes=False)) as source, closing(sqlite3.connect(copy)) as target:
            target.execute("PRAGMA synchronous = OFF").close()  # it is read once and removed
            source.backup(target)
        with closing(sqlite3.connect(copy, check_same_thread=False)) as opened:
            dump = _SQLiteDump(opened)
            require_newest(str(opened.execute(_REVISION).fetchone()[0]))
            yield dump
    except sqlite3.Error as error:
        raise unavailable(error) from error


class _SQLiteDump:
    engine = "sqlite"

    def __init__(self, copy: sqlite3.Connection) -> None:
        self._copy = copy

    def rows(self, table: Dumped) -> Iterator[tuple[Any, ...]]:
        key = ", ".join(quoted(table.columns[place]) for place in table.keys)
        names = ", ".join(map(quoted, table.columns))
        cursor = self._copy.execute(f"SELECT {names} FROM {quoted(table.name)} ORDER BY {key}")
        while rows := cursor.fetchmany(_AT_ONCE):
            yield from rows

    def setting(self, name: str) -> str | None:
        row = self._copy.execute("SELECT value FROM settings WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def sequences(self) -> dict[str, int]:
        known = set(counting())
        rows = self._copy.execute("SELECT name, seq FROM sqlite_sequence").fetchall()
        return {name: seq for name, seq in rows if name in known}
