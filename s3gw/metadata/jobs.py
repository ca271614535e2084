"""SQL of jobs: an outbox and a queue. A job is enqueued in the transaction of the change that causes it.

A runner leases due jobs for a while and renews the lease while it works; a lease that ran out is due again. A job that
failed waits longer each time, and after its last attempt it is dead and kept for a person to look at.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from sqlalchemy import bindparam, or_, select, update

from s3gw.metadata.database import Connection, Prepared, insert_on_conflict, now
from s3gw.metadata.schema import jobs

QUEUED, RUNNING, DONE, DEAD = "queued", "running", "done", "dead"


class Job(NamedTuple):
    id: int
    kind: str
    payload: str
    state: str
    attempts: int
    run_at: int
    leased_by: str | None
    lease_until: int | None
    progress: str | None
    error: str | None
    created_at: int
    updated_at: int
    singleton: str | None


class NoSuchJob(Exception):
    """There is no job of that number, or it isn't dead."""


_this_job = jobs.c.id == bindparam("job_id")
_leased = (_this_job, jobs.c.leased_by == bindparam("runner"), jobs.c.state == RUNNING)
_due = (
    select(jobs.c.id)
    .where(
        jobs.c.run_at <= bindparam("at"),
        or_(jobs.c.state == QUEUED, (jobs.c.state == RUNNING) & (jobs.c.lease_until < bindparam("at"))),
    )
    .order_by(jobs.c.run_at, jobs.c.id)
    .limit(bindparam("batch"))
    .with_for_update(skip_locked=True)
)
_lease = Prepared(
    update(jobs)
    .where(jobs.c.id.in_(_due))
    .values(
        state=bindparam("running"),
        attempts=jobs.c.attempts + 1,
        leased_by=bindparam("runner"),
        lease_until=bindparam("until"),
        updated_at=bindparam("at"),
    )
    .returning(*jobs.c)
)
_renew = Prepared(
    update(jobs).where(*_leased).values(lease_until=bindparam("until"), progress=bindparam("new_progress"))
)
_finish = Prepared(
    update(jobs)
    .where(*_leased)
    .values(
        state=bindparam("new_state"),
        run_at=bindparam("again_at"),
        error=bindparam("new_error"),
        leased_by=None,
        lease_until=None,
        updated_at=bindparam("at"),
    )
)


def enqueue(
    conn: Connection, kind: str, payload: Any, *, run_at: int | None = None, singleton: str | None = None
) -> None:
    """Add a job; nothing happens when one with that `singleton` name is queued or running already."""
    at = now(conn)
    values = {
        "kind": kind,
        "payload": json.dumps(payload),
        "state": QUEUED,
        "attempts": 0,
        "run_at": at if run_at is None else run_at,
        "created_at": at,
        "updated_at": at,
        "singleton": singleton,
    }
    conn.execute(insert_on_conflict(jobs).values(values).on_conflict_do_nothing())


def lease(conn: Connection, runner: str, seconds: float, limit: int) -> list[Job]:
    at = now(conn)
    until = at + int(seconds * 1_000_000)
    return [Job._make(row) for row in _lease.all(conn, runner=runner, at=at, until=until, batch=limit, running=RUNNING)]


def renew(conn: Connection, job_id: int, runner: str, seconds: float, progress: Any) -> bool:
    """Go on working on a job; False when the lease was lost to another runner."""
    until = now(conn) + int(seconds * 1_000_000)
    text = None if progress is None else json.dumps(progress)
    return _renew.run(conn, job_id=job_id, runner=runner, until=until, new_progress=text) == 1


def finish(
    conn: Connection, job_id: int, runner: str, state: str, *, again_in: float = 0, error: str | None = None
) -> bool:
    """End this attempt: DONE, DEAD, or QUEUED to be run again in so many seconds."""
    at = now(conn)
    again_at = at + int(again_in * 1_000_000)
    return (
        _finish.run(conn, job_id=job_id, runner=runner, new_state=state, again_at=again_at, new_error=error, at=at) == 1
    )


def forgive(conn: Connection, job_id: int) -> None:
    """Forget the failed attempts of a periodic job that has succeeded."""
    conn.execute(update(jobs).where(jobs.c.id == job_id).values(attempts=0, error=None))


def list_jobs(conn: Connection, state: str | None = None, limit: int = 100) -> list[Job]:
    """The newest first."""
    statement = select(*jobs.c).order_by(jobs.c.id.desc()).limit(limit)
    if state is not None:
        statement = statement.where(jobs.c.state == state)
    return [Job._make(row) for row in conn.execute(statement).all()]


def get(conn: Connection, job_id: int) -> Job:
    row = conn.execute(select(*jobs.c).where(jobs.c.id == job_id)).one_or_none()
    if row is None:
        raise NoSuchJob(f"there is no job {job_id}")
    return Job._make(row)


def retry(conn: Connection, job_id: int) -> Job:
    """Queue a dead job again, as if it were new."""
    if get(conn, job_id).state != DEAD:
        raise NoSuchJob(f"job {job_id} isn't dead")
    values = {"state": QUEUED, "attempts": 0, "error": None, "run_at": now(conn), "updated_at": now(conn)}
    conn.execute(update(jobs).where(jobs.c.id == job_id).values(values))
    return get(conn, job_id)


def delete_done_before(conn: Connection, at: int) -> int:
    return conn.execute(jobs.delete().where(jobs.c.state == DONE, jobs.c.updated_at < at)).rowcount
