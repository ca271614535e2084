"""SQL of processes: who is alive, in which epoch their oldest open read began, and who was declared dead.

Epochs are numbers that the reaper counts up, so that no clock decides what is deleted (jobs/reaper.py tells how). The
floor is the oldest epoch that an open read of a live process may have begun in. A process that was declared dead may
not register blobs any more (metadata/contents.py asks), so the sweep can remove what it left.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import BigInteger, Text, bindparam, cast, delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as insert_on_conflict  # SQLite has the same

from s3gw.metadata.database import Connection, now
from s3gw.metadata.prepared import Prepared
from s3gw.metadata.schema import blob_pins, content_pins, processes, settings
from s3gw.moments import iso_of


class Process(NamedTuple):
    name: str
    role: str
    host: str
    pid: int
    started_at: int
    heartbeat_at: int
    oldest_open: int
    is_dead: int


_this_process = processes.c.name == bindparam("name")
_is_dead = Prepared(select(processes.c.is_dead).where(_this_process).with_for_update(read=True))
_died = Prepared(select(processes.c.is_dead).where(_this_process))
_beat = Prepared(
    update(processes)
    .where(_this_process, processes.c.is_dead == 0)
    .values(heartbeat_at=bindparam("at"), oldest_open=bindparam("oldest"))
)
_floor = Prepared(select(func.min(processes.c.oldest_open)).where(processes.c.is_dead == 0))
_epoch = Prepared(select(settings.c.value).where(settings.c.name == "epoch"))
_next_epoch = (
    insert_on_conflict(settings)
    .values(name="epoch", value="1")
    .on_conflict_do_update(
        index_elements=[settings.c.name], set_={"value": cast(cast(settings.c.value, BigInteger) + 1, Text)}
    )
    .returning(settings.c.value)
)


def epoch(conn: Connection) -> int:
    return int(_epoch.value(conn) or 0)


def end_epoch(conn: Connection) -> int:
    """Begin the next epoch; gives the one that ends with this transaction."""
    return int(conn.execute(_next_epoch).scalar_one()) - 1


def register(conn: Connection, name: str, role: str, host: str, pid: int) -> int:
    """Give the present epoch, in which the first reads of the process begin."""
    at, present = now(conn), epoch(conn)
    conn.execute(insert(processes).values(Process(name, role, host, pid, at, at, present, 0)._asdict()))
    return present


def look(conn: Connection, name: str) -> tuple[int, bool]:
    """The epoch, and whether the process still counts as alive. Only reads."""
    return epoch(conn), bool(_died.value(conn, name=name) == 0)


def heartbeat(conn: Connection, name: str, oldest_open: int) -> bool:
    """Publish the epoch of the oldest open read; False when the process was declared dead."""
    return _beat.run(conn, name=name, at=now(conn), oldest=oldest_open) == 1


def is_dead(conn: Connection, name: str) -> bool:
    """Whether it was declared dead or never registered. Holds the row, so that it stays alive until the commit."""
    return bool(_is_dead.value(conn, name=name) != 0)


def floor(conn: Connection) -> int:
    """What was marked in an epoch before this one isn't read by anybody any more."""
    oldest: int | None = _floor.value(conn)
    return epoch(conn) if oldest is None else oldest


def list_processes(conn: Connection) -> list[Process]:
    return [Process._make(row) for row in conn.execute(select(*processes.c).order_by(processes.c.started_at)).all()]


def seen(conn: Connection) -> list[dict[str, Any]]:
    """The living, the oldest first, with how many seconds ago each was heard of by the database's clock, and how many
    epochs its oldest open read holds the reaper up.
    """
    at, present = now(conn), epoch(conn)
    return [
        {
            "host": process.host,
            "role": process.role,
            "pid": process.pid,
            "started_at": iso_of(process.started_at),
            "heard_seconds_ago": max(0, at - process.heartbeat_at) // 1_000_000,
            "holds_epochs": max(0, present - process.oldest_open),
        }
        for process in list_processes(conn)
        if not process.is_dead
    ]


def hosts_but(conn: Connection, host: str, silence: int) -> list[str]:
    """The other machines whose processes have beaten within `silence` microseconds."""
    lives = (processes.c.host != host, processes.c.is_dead == 0, processes.c.heartbeat_at > now(conn) - silence)
    return [row.host for row in conn.execute(select(processes.c.host).where(*lives).distinct().order_by("host")).all()]


def mark_dead(conn: Connection, name: str, last_beat: int | None = None) -> bool:
    """Declare a process dead; with `last_beat`, only if its heart hasn't beaten since that. Its pins go with it."""
    statement = update(processes).where(processes.c.name == name, processes.c.is_dead == 0)
    if last_beat is not None:
        statement = statement.where(processes.c.heartbeat_at == last_beat)
    if conn.execute(statement.values(is_dead=1)).rowcount != 1:
        return False
    for table in (content_pins, blob_pins):
        conn.execute(delete(table).where(table.c.process == name))
    return True


def bury(conn: Connection, name: str, host: str, pid: int) -> None:
    """Note that a process is dead, also when that was forgotten: it may have left files since."""
    at = now(conn)
    row = Process(name, "", host, pid, at, at, epoch(conn), 1)._asdict()
    conn.execute(insert_on_conflict(processes).values(row).on_conflict_do_nothing())


def forget(conn: Connection, name: str) -> None:
    """Remove a dead process of which nothing is left."""
    conn.execute(delete(processes).where(processes.c.name == name, processes.c.is_dead == 1))
