"""SQL of processes: who is alive, in which epoch their oldest open read began, and who was declared dead.

Epochs are numbers that the reaper counts up, so that no clock decides what is deleted (jobs/reaper.py tells how). The
floor is the oldest epoch that an open read of a live process may have begun in. A process that was declared dead may
not register blobs any more (metadata/contents.py asks), so the sweep can remove what it left.
"""

from __future__ import annotations

import time
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, Text, bindparam, cast, delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as insert_on_conflict  # SQLite has the same

import s3gw
from s3gw.metadata import revision
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
    version: str | None = None
    schema_revision: str | None = None
    requests_open: int | None = None
    requests_ended: int | None = None
    measured_over: int | None = None
    clock_ahead: int | None = None


class Load(NamedTuple):
    """Requests of a process: open now, and ended within the last microseconds of `over`."""

    open: int = 0
    ended: int = 0
    over: int = 0


_IDLE = Load()
_this_process = processes.c.name == bindparam("name")
_is_dead = Prepared(select(processes.c.is_dead).where(_this_process).with_for_update(read=True))
_died = Prepared(select(processes.c.is_dead).where(_this_process))
_beat = Prepared(
    update(processes)
    .where(_this_process, processes.c.is_dead == 0)
    .values(
        heartbeat_at=bindparam("at"),
        oldest_open=bindparam("oldest"),
        requests_open=bindparam("open"),
        requests_ended=bindparam("ended"),
        measured_over=bindparam("over"),
        clock_ahead=bindparam("ahead"),
    )
)
_agreeing = Prepared(
    select(func.count())
    .select_from(processes)
    .where(processes.c.host != bindparam("host"), processes.c.is_dead == 0)
    .where(func.abs(processes.c.clock_ahead) < bindparam("limit"))
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
    """Give the present epoch, in which the first reads of the process begin. Raises TooOld (revision.py)."""
    revision.hold(conn)
    at, present = now(conn), epoch(conn)
    row = Process(name, role, host, pid, at, at, present, 0, s3gw.__version__, revision.NEWEST)
    conn.execute(insert(processes).values(row._replace(clock_ahead=_clock() - at)._asdict()))
    return present


def look(conn: Connection, name: str) -> tuple[int, bool]:
    """The epoch, and whether the process still counts as alive. Only reads."""
    return epoch(conn), bool(_died.value(conn, name=name) == 0)


def heartbeat(conn: Connection, name: str, oldest_open: int, load: Load = _IDLE) -> int | None:
    """Publish the epoch of the oldest open read; None when the process was declared dead. Gives how many microseconds
    this machine's clock is ahead of the database's, as far as the way there and back lets tell.
    """
    at = now(conn)
    ahead = _clock() - at
    lives = _beat.run(conn, name=name, at=at, oldest=oldest_open, ahead=ahead, **load._asdict()) == 1
    return ahead if lives else None


def clock_ahead(conn: Connection) -> int:
    return _clock() - now(conn)


def _clock() -> int:
    return time.time_ns() // 1000


def others_agree(conn: Connection, host: str, limit: int) -> bool:
    """Whether another machine's clock is less than `limit` microseconds from the database's."""
    return bool(_agreeing.value(conn, host=host, limit=limit))


def is_dead(conn: Connection, name: str) -> bool:
    """Whether it was declared dead or never registered. Holds the row, so that it stays alive until the commit."""
    return bool(_is_dead.value(conn, name=name) != 0)


def floor(conn: Connection) -> int:
    """What was marked in an epoch before this one isn't read by anybody any more."""
    oldest: int | None = _floor.value(conn)
    return epoch(conn) if oldest is None else oldest


def list_processes(conn: Connection) -> list[Process]:
    return [Process._make(row) for row in conn.execute(select(*processes.c).order_by(processes.c.started_at)).all()]


def count(conn: Connection) -> int:
    """The living."""
    return int(conn.execute(select(func.count()).select_from(processes).where(processes.c.is_dead == 0)).scalar_one())


def seen(conn: Connection, offset: int = 0, limit: int | None = None) -> list[dict[str, Any]]:
    """The living, the oldest first: the program of each, how many seconds ago it was heard of by the database's clock,
    how many epochs its oldest open read holds the reaper up, its load, and how its clock differs.
    """
    at, present = now(conn), epoch(conn)
    living = select(*processes.c).where(processes.c.is_dead == 0).order_by(processes.c.started_at, processes.c.name)
    return [_told(Process._make(row), at, present) for row in conn.execute(living.offset(offset).limit(limit)).all()]


def _told(process: Process, at: int, present: int) -> dict[str, Any]:
    return {
        "host": process.host,
        "role": process.role,
        "pid": process.pid,
        "version": process.version,
        "schema_revision": process.schema_revision,
        "started_at": iso_of(process.started_at),
        "heard_seconds_ago": max(0, at - process.heartbeat_at) // 1_000_000,
        "holds_epochs": max(0, present - process.oldest_open),
        "requests_open": process.requests_open,
        "requests_per_second": _per_second(process),
        "clock_ahead_seconds": None if process.clock_ahead is None else round(process.clock_ahead / 1_000_000, 1),
    }


def _per_second(process: Process) -> float | None:
    if process.requests_ended is None or not process.measured_over:
        return None
    return round(process.requests_ended * 1_000_000 / process.measured_over, 1)


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


def mark_older_dead(connection: revision.Executes, reader: str) -> None:
    """Declare all dead whose program is older than this revision, which they can't serve on."""
    older = (processes.c.is_dead == 0, func.coalesce(processes.c.schema_revision, "") < reader)
    for table in (content_pins, blob_pins):
        connection.execute(delete(table).where(table.c.process.in_(select(processes.c.name).where(*older))))
    connection.execute(update(processes).where(*older).values(is_dead=1))


def bury(conn: Connection, name: str, host: str, pid: int) -> None:
    """Note that a process is dead, also when that was forgotten: it may have left files since."""
    at = now(conn)
    row = Process(name, "", host, pid, at, at, epoch(conn), 1)._asdict()
    conn.execute(insert_on_conflict(processes).values(row).on_conflict_do_nothing())


def forget(conn: Connection, name: str) -> None:
    """Remove a dead process of which nothing is left."""
    conn.execute(delete(processes).where(processes.c.name == name, processes.c.is_dead == 1))
