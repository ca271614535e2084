"""SQL of the schema's revision: which one this program makes, and whether it may serve on the one that is there.

In a rolling upgrade the first node of the new release migrates while those of the old one serve. So the database tells
the oldest revision whose program may serve on it (`settings`; migrate.py writes it in the transaction of each
revision). Revisions are numbered with four digits: their order is that of their names.
"""

from __future__ import annotations

from typing import Any, Protocol

from sqlalchemy import Executable, bindparam, column, func, select, table
from sqlalchemy.dialects.postgresql import insert as insert_on_conflict  # SQLite has the same

from s3gw.metadata.database import UnsuitableDatabase
from s3gw.metadata.prepared import Driver, Prepared
from s3gw.metadata.schema import processes, settings

# The newest revision that this program ships; a test holds it to what migrations/ says.
NEWEST = "0029"
# The first revision that notes the oldest reader. On an older one only the program that ships it serves.
FIRST = "0026"
versions = table("alembic_version", column("version_num"))
_OLDEST = "oldest_reader"
_oldest = select(settings.c.value).where(settings.c.name == _OLDEST)
_oldest_reader = Prepared(_oldest)
# Held until the end of the transaction: a contracting revision waits for it, and then sees the process that registered.
_oldest_reader_held = Prepared(_oldest.with_for_update(read=True))
_older = (
    select(processes.c.host)
    .where(processes.c.is_dead == 0, func.coalesce(processes.c.schema_revision, "") < bindparam("reader"))
    .distinct()
    .order_by(processes.c.host)
)


class Executes(Protocol):
    """A connection, ours or SQLAlchemy's own, on which migrations run."""

    def execute(self, statement: Executable, parameters: Any = None, /) -> Any: ...


class TooOld(UnsuitableDatabase):
    """This program can't serve on the schema that is there."""


def refusal(conn: Driver) -> str | None:
    """Why this program may not go on serving, if it may not. Only reads."""
    return _refusal(_oldest_reader.value(conn))


def hold(conn: Driver) -> None:
    """No revision that this program can't serve on is made before this transaction has ended. Raises TooOld."""
    found = _refusal(_oldest_reader_held.value(conn))
    if found is not None:
        raise TooOld(found)


def _refusal(oldest: str | None) -> str | None:
    if oldest is None or oldest <= NEWEST:
        return None
    return (
        f"the database's schema is for programs that know revision {oldest}, and this s3gw knows {NEWEST}:"
        " it is too old; install the release that the other nodes have"
    )


def require_readable(connection: Executes, present: str) -> None:
    """Raises TooOld where a newer program has made a schema that this one can't serve on."""
    oldest = oldest_reader(connection)
    if oldest is None or oldest > NEWEST:
        raise TooOld(
            f"This s3gw knows the schema up to revision {NEWEST}, and the database is newer: it has {present}, which"
            f" needs a program of {oldest or present} or later. Install the release that the other nodes have"
        )


def present(connection: Executes) -> str:
    found: str = connection.execute(select(versions.c.version_num)).scalar_one()
    return found


def oldest_reader(connection: Executes) -> str | None:
    found: str | None = connection.execute(_oldest).scalar_one_or_none()
    return found


def set_oldest_reader(connection: Executes, revision: str) -> None:
    values = insert_on_conflict(settings).values(name=_OLDEST, value=revision)
    connection.execute(
        values.on_conflict_do_update(index_elements=[settings.c.name], set_={"value": values.excluded.value})
    )


def older_hosts(connection: Executes, reader: str) -> list[str]:
    """The machines on which processes live whose program is older than this revision."""
    return list(connection.execute(_older, {"reader": reader}).scalars())
