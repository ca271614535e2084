"""SQL of what is to be changed in a database that was restored before a server may use it, as one write.

It is another store from now on, with processes, numbers of transactions and, perhaps, a kind of database of its own.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Any, NamedTuple

from sqlalchemy import bindparam, delete, func, insert, select, update

from s3gw.metadata import audit, usage
from s3gw.metadata.database import Connection
from s3gw.metadata.outbox import ChangeRow, Place
from s3gw.metadata.schema import blobs, change_readers, changes, jobs, settings

_STORE = "store"
_ROWS = 1000


class Restored(NamedTuple):
    """`engine` is the kind of database that the snapshot was made of, `identity` the name of the new store."""

    snapshot: str
    engine: str
    identity: str
    told: dict[str, Any]


def settle(conn: Connection, restored: Restored) -> None:
    if restored.engine == "postgresql":
        _add_what_was_unread(conn)
        _renumber(conn)
    _begin_counting(conn)
    # Nothing counts on these, so they weren't copied; contents that aren't unwound yet still do.
    conn.execute(delete(blobs).where(blobs.c.refs == 0))
    # Who worked on them doesn't live here, and nobody has to wait until the lease has passed.
    conn.execute(update(jobs).where(jobs.c.state == "running").values(state="queued", leased_by=None, lease_until=None))
    conn.execute(delete(settings).where(settings.c.name == _STORE))
    conn.execute(insert(settings).values(name=_STORE, value=restored.identity))
    audit.record(conn, audit.COMMAND_LINE, "backup.restore", "backup", restored.snapshot, None, restored.told)


def _add_what_was_unread(conn: Connection) -> None:
    """On PostgreSQL usage is what was counted and what rows of the outbox still add: make it what was counted."""
    reader = conn.execute(
        select(change_readers.c.transaction, change_readers.c.id).where(change_readers.c.name == usage.READER)
    ).one_or_none()
    after = Place(0, 0) if reader is None else Place(reader.transaction, reader.id)
    columns = [changes.c[name] for name in ChangeRow._fields]
    rows = [ChangeRow._make(row) for row in conn.execute(select(*columns)).all()]
    unread = [row for row in rows if Place(row.transaction, row.id) > after]
    usage.add_all(conn, [(row.bucket_id, row.more) for row in unread])
    for row in unread:
        usage.add_below(conn, row.bucket_id, row.key, row.more)


def _renumber(conn: Connection) -> None:
    """Numbers of transactions are those of the other cluster; without them ids alone must be the order."""
    order = select(changes.c.transaction, changes.c.id).order_by(changes.c.transaction, changes.c.id)
    places = [Place._make(row) for row in conn.execute(order).all()]
    ids = sorted(place.id for place in places)
    for reader in conn.execute(select(change_readers)).all():
        done = bisect_right(places, Place(reader.transaction, reader.id))
        at = {"transaction": 0, "id": ids[done - 1] if done else 0}
        conn.execute(update(change_readers).where(change_readers.c.name == reader.name).values(at))
    # By way of negative ids, so that no two rows have the same one in between.
    moved = [{"old": place.id, "new": -new} for place, new in zip(places, ids, strict=True)]
    move = update(changes).where(changes.c.id == bindparam("old")).values(id=bindparam("new"), transaction=0)
    for start in range(0, len(moved), _ROWS):
        conn.execute(move, moved[start : start + _ROWS])
    conn.execute(update(changes).where(changes.c.id < 0).values(id=-changes.c.id))


def _begin_counting(conn: Connection) -> None:
    """The reader that counts is PostgreSQL's alone; all that is here is counted."""
    conn.execute(delete(change_readers).where(change_readers.c.name == usage.READER))
    if conn.dialect == "postgresql":
        newest = conn.execute(select(func.coalesce(func.max(changes.c.id), 0))).scalar_one()
        conn.execute(insert(change_readers).values(name=usage.READER, transaction=0, id=newest))
