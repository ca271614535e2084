"""SQL of backups, writing: a new database is built beside the place where it will be, and appears there as a whole.

On SQLite beside means a file of another name, on PostgreSQL a schema of another name (load_postgresql.py), whose tables
change over to the one that servers use in one transaction. What an attempt that was killed left there is removed by the
next one.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

from s3gw.metadata.database import UnsuitableDatabase
from s3gw.metadata.database_url import is_postgresql, sqlite_path
from s3gw.metadata.dumped import IDENTITY, Loaded, quoted
from s3gw.metadata.sqlite_connection import unavailable
from s3gw.metadata.sqlite_files import refuse_network_file_system


def require_empty(url: str | None, data: Path) -> None:
    """Raises UnsuitableDatabase where there is a database, and DatabaseUnavailable."""
    if is_postgresql(url):
        from s3gw.metadata.load_postgresql import require_empty_postgresql

        require_empty_postgresql(str(url))
    elif sqlite_path(url, data).exists():
        raise UnsuitableDatabase(f"there is a database already: {sqlite_path(url, data)}")


def identity_in(url: str | None, data: Path) -> str | None:
    """Which store's database there is; None where there is none. Raises DatabaseUnavailable."""
    if is_postgresql(url):
        from s3gw.metadata.load_postgresql import identity_in_postgresql

        return identity_in_postgresql(str(url))
    path = sqlite_path(url, data)
    if not path.exists():
        return None
    try:
        with closing(sqlite3.connect(path)) as conn:
            row = conn.execute(IDENTITY).fetchone()
    except sqlite3.Error as error:
        raise unavailable(error) from error
    return None if row is None else str(row[0])


def building(url: str | None, data: Path) -> AbstractContextManager[str]:
    """Gives the URL of a place for the new database, which appears at `url` when the block ends without an error."""
    if is_postgresql(url):
        from s3gw.metadata.load_postgresql import building_postgresql

        return building_postgresql(str(url))
    return _building_sqlite(sqlite_path(url, data).absolute())


def fill(url: str, data: Path, tables: Iterable[Loaded], sequences: Mapping[str, int]) -> None:
    """Put rows into a migrated database that nobody uses, instead of what the migrations put there."""
    if is_postgresql(url):
        from s3gw.metadata.load_postgresql import fill_postgresql

        fill_postgresql(url, tables, sequences)
        return
    try:
        with closing(sqlite3.connect(sqlite_path(url, data), isolation_level=None)) as conn:
            _fill_sqlite(conn, tables, sequences)
    except sqlite3.Error as error:
        raise unavailable(error) from error


def _fill_sqlite(conn: sqlite3.Connection, tables: Iterable[Loaded], sequences: Mapping[str, int]) -> None:
    conn.execute("PRAGMA synchronous = OFF")  # the file is flushed as a whole before it gets its name
    conn.execute("BEGIN IMMEDIATE")
    for table in tables:
        names, marks = ", ".join(map(quoted, table.columns)), ", ".join("?" * len(table.columns))
        conn.execute(f"DELETE FROM {quoted(table.name)}")
        conn.executemany(f"INSERT INTO {quoted(table.name)} ({names}) VALUES ({marks})", table.rows)
    for name, last in sequences.items():
        conn.execute("DELETE FROM sqlite_sequence WHERE name = ?", (name,))
        conn.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (name, last))
    conn.execute("INSERT INTO search_index (search_index) VALUES ('rebuild')")
    conn.execute("COMMIT")
    if violations := conn.execute("PRAGMA foreign_key_check").fetchall():
        raise UnsuitableDatabase(f"the snapshot has rows that refer to rows that it doesn't have: {violations[:3]}")


@contextmanager
def _building_sqlite(path: Path) -> Iterator[str]:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    refuse_network_file_system(path.parent)
    beside = path.with_name(f"{path.name}.restoring")
    _remove_with_companions(beside)
    yield f"sqlite:///{beside}"
    with closing(sqlite3.connect(beside)) as conn:
        conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    _flush(beside, os.O_RDWR)
    try:
        os.link(beside, path)  # unlike a rename it never takes the place of another file
    except FileExistsError:
        raise UnsuitableDatabase(f"another database came to be meanwhile: {path}") from None
    _remove_with_companions(beside)
    _flush(path.parent, os.O_RDONLY)


def _remove_with_companions(path: Path) -> None:
    for companion in (path, *path.parent.glob(f"{path.name}[-.]*")):
        companion.unlink(missing_ok=True)


def _flush(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
