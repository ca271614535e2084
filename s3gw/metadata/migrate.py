"""Brings a database's schema up to date with Alembic. The one tree of revisions serves both databases.

Runs before the processes that serve are started. Starters take turns, so that the first does the work and the others
find it done. Alembic is loaded only where there is work: it takes longer to import than a database takes to open.

Other nodes serve meanwhile, of the release before. What only adds (expand) leaves them be; what takes something away
(contract: a revision with an `oldest_reader`) waits until none lives that is older. A program serves without the
contracting revisions of its own release, so it starts nonetheless, and a later start makes them.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, event, inspect, select
from sqlalchemy.exc import DBAPIError

from s3gw.disks.faults import is_read_only
from s3gw.metadata import revision as revisions
from s3gw.metadata.database import UnsuitableDatabase
from s3gw.metadata.database_url import is_postgresql, sqlite_path
from s3gw.metadata.processes import mark_older_dead
from s3gw.metadata.sqlite_connection import make_engine as make_sqlite_engine
from s3gw.metadata.sqlite_files import WriterLock, refuse_network_file_system

if TYPE_CHECKING:
    from alembic.config import Config
    from alembic.script import Script, ScriptDirectory

_LOCK = 0x53334757  # any number, the same on every node
# A statement that changes a table waits for those who read it, and all who come later wait for it. So it gives up soon
# and lets them by, again and again for this many seconds.
_PATIENCE = 300.0
_WAIT_FOR_LOCKS = "2s"
_AGAIN = frozenset(("55P03", "40P01"))  # lock_not_available, deadlock_detected


class OlderNodes(UnsuitableDatabase):
    """A contracting revision can't be made while they live."""


def upgrade(url: str | None, data: Path, revision: str = "head", *, by_force: bool = False) -> str | None:
    """Gives what still waits for older nodes to end, in words. `by_force`: these are declared dead, and stop."""
    if not is_postgresql(url) and is_read_only(sqlite_path(url, data).absolute().parent):
        _require_newest(sqlite_path(url, data))
        return None
    connected = _postgresql(str(url)) if is_postgresql(url) else _sqlite(sqlite_path(url, data))
    with connected as connection:
        present = _present(connection)
        if present is not None and present > revisions.NEWEST:
            _require_readable(connection, present)
        elif present != revisions.NEWEST:
            if connection.dialect.name == "postgresql":
                _refuse_lacking(connection)
            return _migrate(connection, present, revision, by_force)
    return None


def _present(connection: Connection) -> str | None:
    """The revision of the database; None of one that is new, or whose table of revisions isn't Alembic's."""
    try:
        if not inspect(connection).has_table(revisions.versions.name):
            return None
        rows = connection.execute(select(revisions.versions.c.version_num)).all()
    finally:
        connection.rollback()  # Alembic begins its transactions itself
    return str(rows[0][0]) if len(rows) == 1 else None


def _refuse_lacking(connection: Connection) -> None:
    from s3gw.metadata.postgresql_server import refuse_lacking

    refuse_lacking(connection)


def _require_readable(connection: Connection, present: str) -> None:
    try:
        revisions.require_readable(connection, present)
    finally:
        connection.rollback()


def _migrate(connection: Connection, present: str | None, revision: str, by_force: bool) -> str | None:
    from alembic import command
    from alembic.script import ScriptDirectory
    from alembic.util import CommandError

    config = configuration()
    config.attributes["connection"] = connection
    config.attributes["on_version_apply"] = partial(_note_reader, connection, by_force)
    try:
        pending = _pending(ScriptDirectory.from_config(config), present, revision)
        for index, script in enumerate(pending):
            contracts = _contracts_to(script)
            if contracts is not None and not by_force and (hosts := _older_hosts(connection, contracts)):
                return _waiting(pending[index:], hosts)
            if index + 1 == len(pending) or contracts or _contracts_to(pending[index + 1]):
                _patiently(partial(command.upgrade, config, script.revision))
    except CommandError as error:
        raise UnsuitableDatabase(f"This s3gw can't migrate that database (is it newer?): {error}") from error
    return None


def _pending(directory: ScriptDirectory, present: str | None, revision: str) -> list[Script]:
    """The revisions that the database lacks, in their order."""
    return list(directory.iterate_revisions(revision, present or "base"))[::-1]


def _contracts_to(script: Script) -> str | None:
    """The oldest revision whose program can serve after this one; None where it only adds."""
    if script.revision < revisions.FIRST:
        return None  # none of them was made beside a node that serves
    reader: str | None = getattr(script.module, "oldest_reader", script.revision)
    return reader


def _waiting(left: list[Script], hosts: list[str]) -> str:
    """Raises OlderNodes where a revision is behind the one that waits without which this program can't serve."""
    said = f"revision {left[0].revision} of the schema waits until no older s3gw runs on {', '.join(hosts)}"
    if any(_contracts_to(script) is None for script in left):
        raise OlderNodes(f"{said}; this release needs more than that: end those nodes first")
    return said


def _older_hosts(connection: Connection, reader: str) -> list[str]:
    """On SQLite none: a starter has locked the data folder, and with it all that serve."""
    if connection.dialect.name == "sqlite":
        return []
    try:
        return revisions.older_hosts(connection, reader)
    finally:
        connection.rollback()


def _note_reader(connection: Connection, by_force: bool, *, step: Any, **_: Any) -> None:
    """In the transaction of each revision. Whoever registers holds the row that is written here, so an older process
    has either registered, and is seen, or is refused afterwards.
    """
    script: Script = step.up_revision
    if script.revision < revisions.FIRST:
        return
    known = revisions.oldest_reader(connection) or str(script.down_revision)
    reader = _contracts_to(script)
    revisions.set_oldest_reader(connection, max(known, reader or known))
    if reader is None or connection.dialect.name == "sqlite":
        return
    if by_force:
        mark_older_dead(connection, reader)
    elif hosts := revisions.older_hosts(connection, reader):
        raise OlderNodes(f"an older s3gw has just been started on {', '.join(hosts)}: end it, and start again")


def _patiently(work: Callable[[], None]) -> None:
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            return work()
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) not in _AGAIN or time.monotonic() > deadline:
                raise
        time.sleep(random.uniform(0.5, 1.5))


def _require_newest(path: Path) -> None:
    """On a read-only disk a database can be served as it is, or not at all."""
    with make_sqlite_engine(path, writes=False).connect() as connection:
        present = _present(connection)
        if present is None or present < revisions.NEWEST:
            raise UnsuitableDatabase(f"{path} has to be migrated, and its disk is read-only: mount it writable")
        if present > revisions.NEWEST:
            _require_readable(connection, present)


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
    from s3gw.metadata.postgresql import make_engine
    from s3gw.metadata.postgresql_server import refuse_unsafe

    engine = make_engine(url, 2)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_WAIT_FOR_LOCKS}'")
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")

    try:
        refuse_unsafe(engine)
        # Held over the transactions of all revisions, by a transaction of another connection: a session's lock would be
        # that of whoever comes next where PgBouncer hands connections on.
        with engine.connect() as turn, engine.connect() as connection:
            turn.exec_driver_sql("SET LOCAL lock_timeout = 0")
            turn.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")
            turn.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
            yield connection
    finally:
        engine.dispose()
