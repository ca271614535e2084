"""Brings a database's schema up to date with Alembic. The one tree of revisions serves both databases.

Runs before the processes that serve are started. Starters take turns, so that the first does the work and the others
find it done. Alembic is loaded only where there is work: it takes longer to import than a database takes to open.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, column, event, inspect, select, table

from s3gw.disks.faults import is_read_only
from s3gw.metadata.database import UnsuitableDatabase
from s3gw.metadata.database_url import is_postgresql, sqlite_path
from s3gw.metadata.sqlite_connection import make_engine as make_sqlite_engine
from s3gw.metadata.sqlite_files import WriterLock, refuse_network_file_system

if TYPE_CHECKING:
    from alembic.config import Config

# The newest revision that this program ships; a test holds it to what migrations/ says.
NEWEST = "0028"
_LOCK = 0x53334757  # any number, the same on every node
_versions = table("alembic_version", column("version_num"))


def upgrade(url: str | None, data: Path, revision: str = "head") -> None:
    if not is_postgresql(url) and is_read_only(sqlite_path(url, data).absolute().parent):
        _require_newest(sqlite_path(url, data))
        return
    connected = _postgresql(str(url)) if is_postgresql(url) else _sqlite(sqlite_path(url, data))
    with connected as connection:
        if _present(connection) != NEWEST:
            _migrate(connection, revision)


def _present(connection: Connection) -> str | None:
    """The revision of the database; None of one that is new, or whose table of revisions isn't Alembic's."""
    try:
        if not inspect(connection).has_table(_versions.name):
            return None
        rows = connection.execute(select(_versions.c.version_num)).all()
    finally:
        connection.rollback()  # Alembic begins its transactions itself
    return str(rows[0][0]) if len(rows) == 1 else None


def _migrate(connection: Connection, revision: str) -> None:
    from alembic import command
    from alembic.util import CommandError

    config = configuration()
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, revision)
    except CommandError as error:
        raise UnsuitableDatabase(f"This s3gw can't migrate that database (is it newer?): {error}") from error


def _require_newest(path: Path) -> None:
    """On a read-only disk a database can be served as it is, or not at all."""
    with make_sqlite_engine(path, writes=False).connect() as connection:
        if _present(connection) != NEWEST:
            raise UnsuitableDatabase(f"{path} has to be migrated, and its disk is read-only: mount it writable")


def configuration() -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(scripts()).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def scripts() -> Path:
    """In a wheel the tree is packed beside this package; in a checkout it is at the top."""
    packed = Path(str(files("s3gw"))) / "_migrations"
    return packed if packed.is_dir() else packed.parent.parent / "migrations"


@contextmanager
def _sqlite(path: Path) -> Iterator[Connection]:
    path.parent.mkdir(parents=True, exist_ok=True)
    refuse_network_file_system(path.parent)
    lock = WriterLock(path)
    engine = make_sqlite_engine(path, writes=True)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    try:
        # A batch migration drops and recreates tables, which must not count as deleting their rows. The pragma is
        # ignored within a transaction, so it is set on the driver's connection.
        with lock.held(), engine.connect() as connection:
            driver = connection.connection.driver_connection
            assert driver is not None
            driver.execute("PRAGMA foreign_keys = OFF")
            yield connection
            violations = driver.execute("PRAGMA foreign_key_check").fetchall()
            if violations:
                raise UnsuitableDatabase(f"rows refer to rows that don't exist: {violations[:3]}")
    finally:
        engine.dispose()
        lock.close()


@contextmanager
def _postgresql(url: str) -> Iterator[Connection]:
    from s3gw.metadata.postgresql import make_engine, refuse_unsafe

    engine = make_engine(url, 2)
    try:
        refuse_unsafe(engine)
        with engine.connect() as connection:
            # Held by the session until it ends, over the transactions of all revisions.
            connection.exec_driver_sql("SET lock_timeout = 0")
            connection.exec_driver_sql("SET statement_timeout = 0")
            connection.exec_driver_sql(f"SELECT pg_advisory_lock({_LOCK})")
            connection.commit()
            try:
                yield connection
            finally:
                connection.invalidate()
    finally:
        engine.dispose()
