"""SQL of schedules: kinds of jobs that are begun by a cron line. What a line means is counted by s3gw/cron.py.

Each due time is one run, whatever number of processes look: who changes `next_run` from what it saw begins the job, in
the same transaction. All is decided by the database's clock. A time that was missed while nothing ran is due when
something does, once. Where the clock was set back by more than an hour since `next_run` was counted, it is counted
anew; by less, what ran already isn't run again.
"""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import delete, or_, select, update
from sqlalchemy.dialects.postgresql import insert as insert_on_conflict  # SQLite has the same

from s3gw.metadata import audit, jobs
from s3gw.metadata.audit import Actor
from s3gw.metadata.database import Connection, now
from s3gw.metadata.job_kinds import SCHEDULABLE
from s3gw.metadata.jobs import QUEUED
from s3gw.metadata.schema import jobs as jobs_table
from s3gw.metadata.schema import schedules
from s3gw.problems import NotFound

SET_BACK = 3_600_000_000  # microseconds


class Schedule(NamedTuple):
    """Times in microseconds since the epoch."""

    kind: str
    cron: str
    time_zone: str
    is_enabled: bool
    last_run: int | None
    next_run: int
    counted_at: int
    updated_at: int


def require_schedulable(kind: str) -> None:
    """Raises NotFound."""
    if kind not in SCHEDULABLE:
        raise NotFound(f"no job of that name can be scheduled: these can: {', '.join(SCHEDULABLE)}")


def find(conn: Connection, kind: str) -> Schedule | None:
    row = conn.execute(select(*schedules.c).where(schedules.c.kind == kind)).one_or_none()
    return None if row is None else _read(row)


def all_of_them(conn: Connection) -> list[Schedule]:
    return [_read(row) for row in conn.execute(select(*schedules.c).order_by(schedules.c.kind)).all()]


def enabled(conn: Connection) -> set[str]:
    return set(conn.execute(select(schedules.c.kind).where(schedules.c.is_enabled == 1)).scalars().all())


def put(conn: Connection, actor: Actor, kind: str, cron: str, time_zone: str, is_enabled: bool, next_run: int) -> None:
    """From now on; what is queued of periodic work waits for the cron line too. Raises NotFound."""
    require_schedulable(kind)
    before, at = find(conn, kind), now(conn)
    values = {"cron": cron, "time_zone": time_zone, "is_enabled": int(is_enabled), "next_run": next_run}
    values |= {"counted_at": at, "updated_at": at}
    statement = insert_on_conflict(schedules).values(kind=kind, **values)
    conn.execute(statement.on_conflict_do_update(index_elements=[schedules.c.kind], set_=values))
    if is_enabled:
        queued = (jobs_table.c.singleton == kind, jobs_table.c.state == QUEUED, jobs_table.c.attempts == 0)
        conn.execute(delete(jobs_table).where(*queued))
    audit.record(conn, actor, "schedule.put", "schedule", kind, _told(before), _told(find(conn, kind)))


def due(conn: Connection) -> list[Schedule]:
    """Those whose time has come, and those to count anew. Only reads."""
    at = now(conn)
    is_due = or_(schedules.c.next_run <= at, schedules.c.counted_at > at + SET_BACK)
    return [_read(row) for row in conn.execute(select(*schedules.c).where(schedules.c.is_enabled == 1, is_due)).all()]


def go_on(conn: Connection, seen: Schedule, next_run: int) -> bool:
    """Begin a job if the time has come, and wait for the next one; False where another process has done it."""
    at = now(conn)
    is_run = seen.next_run <= at and seen.counted_at <= at + SET_BACK
    same = (
        schedules.c.kind == seen.kind,
        schedules.c.is_enabled == 1,
        schedules.c.next_run == seen.next_run,
        schedules.c.counted_at == seen.counted_at,
    )
    values = {"next_run": next_run, "counted_at": at} | ({"last_run": at} if is_run else {})
    if not conn.execute(update(schedules).where(*same).values(values)).rowcount:
        return False
    if is_run:
        jobs.begin(conn, seen.kind)
    return True


def run(conn: Connection, actor: Actor, kind: str) -> int:
    """Begin a job of the kind now, whatever its schedule; its number. Raises NotFound."""
    require_schedulable(kind)
    number = jobs.begin(conn, kind)
    audit.record(conn, actor, "schedule.run", "schedule", kind, None, {"job": number})
    return number


def _read(row: tuple[object, ...]) -> Schedule:
    schedule = Schedule._make(row)
    return schedule._replace(is_enabled=bool(schedule.is_enabled))


def _told(schedule: Schedule | None) -> dict[str, object] | None:
    if schedule is None:
        return None
    return {"cron": schedule.cron, "time_zone": schedule.time_zone, "is_enabled": schedule.is_enabled}
