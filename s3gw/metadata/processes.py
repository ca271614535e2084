"""SQL of processes: who is alive, how old their oldest open read is, and who was declared dead.

The floor is the start of the oldest read or upload that is open in any live process: what was released before it can't
be wanted by anybody. A process that was declared dead may not register blobs any more (metadata/contents.py asks), so
the sweep can remove what it left.
"""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import bindparam, delete, func, insert, select, update

from s3gw.metadata.database import Connection, Prepared, now
from s3gw.metadata.schema import processes


class Process(NamedTuple):
    incarnation: str
    role: str
    host: str
    pid: int
    started_at: int
    heartbeat_at: int
    oldest_open: int
    is_dead: int


_this_process = processes.c.incarnation == bindparam("name")
_is_dead = Prepared(select(processes.c.is_dead).where(_this_process).with_for_update(read=True))
_beat = Prepared(
    update(processes)
    .where(_this_process, processes.c.is_dead == 0)
    .values(heartbeat_at=bindparam("at"), oldest_open=bindparam("oldest"))
)
_floor = Prepared(select(func.min(processes.c.oldest_open)).where(processes.c.is_dead == 0))


def register(conn: Connection, incarnation: str, role: str, host: str, pid: int) -> None:
    at = now(conn)
    conn.execute(insert(processes).values(Process(incarnation, role, host, pid, at, at, at, 0)._asdict()))


def heartbeat(conn: Connection, incarnation: str, oldest_open: int) -> bool:
    """Publish the oldest open read; False when the process was declared dead."""
    return _beat.run(conn, name=incarnation, at=now(conn), oldest=oldest_open) == 1


def is_dead(conn: Connection, incarnation: str) -> bool:
    """Whether it was declared dead or never registered. Holds the row, so that it stays alive until the commit."""
    row = _is_dead.one_or_none(conn, name=incarnation)
    return row is None or bool(row[0])


def floor(conn: Connection) -> int:
    """What was released before this moment (microseconds) isn't read by anybody any more."""
    row = _floor.one_or_none(conn)
    return now(conn) if row is None or row[0] is None else int(row[0])


def list_processes(conn: Connection) -> list[Process]:
    return [Process._make(row) for row in conn.execute(select(*processes.c).order_by(processes.c.started_at)).all()]


def mark_dead(conn: Connection, incarnation: str, silent_since: int | None = None) -> bool:
    """Declare a process dead; with `silent_since`, only if it hasn't been heard of since then."""
    statement = update(processes).where(processes.c.incarnation == incarnation, processes.c.is_dead == 0)
    if silent_since is not None:
        statement = statement.where(processes.c.heartbeat_at < silent_since)
    return conn.execute(statement.values(is_dead=1)).rowcount == 1


def forget(conn: Connection, incarnation: str) -> None:
    """Remove a dead process of which nothing is left."""
    conn.execute(delete(processes).where(processes.c.incarnation == incarnation, processes.c.is_dead == 1))
