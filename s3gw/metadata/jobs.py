"""SQL of jobs: an outbox and a queue. A job is enqueued in the transaction of the change that causes it.

A runner leases due jobs for a while and renews the lease while it works; a lease that ran out is due again. A lease is
one attempt: whoever lost it, even to itself, changes the job no more. A job that failed waits longer each time, and
after its last attempt it is dead and kept for a person to look at.

When the clock is set back, jobs that were queued before would wait too long and leases last too long: see `pull_back`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, Update, and_, bindparam, delete, func, null, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert as insert_on_conflict  # SQLite has the same

from s3gw.metadata.database import Connection, now
from s3gw.metadata.prepared import Prepared
from s3gw.metadata.schema import jobs

QUEUED, RUNNING, DONE, DEAD, CANCELLED = "queued", "running", "done", "dead", "cancelled"
LEASE = 20.0  # seconds; none is longer. What died is taken over by another runner after that, and a poll


class Job(NamedTuple):
    """`uuid` to `refusal` are of jobs that a user asked for (asked_jobs.py). `rate`: of progress in a second of the
    last attempt, which began at `begun_at`; `lines`: JSON of the last lines of its log.
    """

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
    uuid: str | None = None
    asked_by: str | None = None
    result: str | None = None
    refusal: str | None = None
    is_cancelled: int = 0
    begun_at: int | None = None
    rate: float | None = None
    lines: str | None = None


class Due(NamedTuple):
    """A kind of which a job is due, and when the first of them was to run."""

    kind: str
    run_at: int


class NoSuchJob(Exception):
    """There is no job of that number that could be tried again."""


_this_job = jobs.c.id == bindparam("job_id")
_leased = (
    _this_job,
    jobs.c.leased_by == bindparam("runner"),
    jobs.c.attempts == bindparam("attempt"),
    jobs.c.state == RUNNING,
)
_is_due = and_(
    text("state IN ('queued', 'running')"),  # or SQLite doesn't see that the index on due jobs is meant
    jobs.c.run_at <= bindparam("at"),
    or_(jobs.c.state == QUEUED, jobs.c.lease_until < bindparam("at")),
)
# The kinds that are queued or running, each found by one step in the index on due jobs, however many there are of it.
_ACTIVE_KINDS = """
    WITH RECURSIVE active(kind) AS (
        SELECT min(kind) FROM jobs WHERE state IN ('queued', 'running')
        UNION ALL
        SELECT (SELECT min(kind) FROM jobs WHERE state IN ('queued', 'running') AND kind > active.kind)
        FROM active WHERE active.kind IS NOT NULL
    )"""
_first_due = Prepared(
    text(
        f"""{_ACTIVE_KINDS}
    SELECT kind, (
        SELECT run_at FROM jobs
        WHERE state IN ('queued', 'running') AND jobs.kind = active.kind AND run_at <= :at
            AND (state = 'queued' OR lease_until < :at)
        ORDER BY run_at LIMIT 1
    ) FROM active WHERE kind IS NOT NULL"""
    )
)
_any_queued_ahead = Prepared(
    text(
        f"""{_ACTIVE_KINDS}
    SELECT 1 FROM active WHERE EXISTS (
        SELECT 1 FROM jobs
        WHERE state IN ('queued', 'running') AND jobs.kind = active.kind AND run_at > :at
            AND state = 'queued' AND updated_at > :at
    ) LIMIT 1"""
    )
)
_running_of_kind = Prepared(
    select(func.count())
    .select_from(jobs)
    .where(text("state = 'running'"), jobs.c.kind == bindparam("kind"), jobs.c.lease_until >= bindparam("at"))
)


def _lease_where(*conditions: ColumnElement[bool]) -> Update:
    due = (
        select(jobs.c.id)
        .where(_is_due, *conditions)
        .order_by(jobs.c.run_at, jobs.c.id)
        .limit(bindparam("batch"))
        .with_for_update(skip_locked=True)
    )
    return (
        update(jobs)
        .where(jobs.c.id.in_(due))
        .values(
            state=bindparam("running"),
            attempts=jobs.c.attempts + 1,
            leased_by=bindparam("runner"),
            lease_until=bindparam("until"),
            begun_at=bindparam("at"),
            rate=None,
            updated_at=bindparam("at"),
        )
        .returning(*jobs.c)
    )


_of_kind = jobs.c.kind == bindparam("of_kind")
_is_of_others = func.coalesce(jobs.c.asked_by, "").not_in(bindparam("users", expanding=True))
_lease_any = Prepared(_lease_where())
_lease_of_kind = Prepared(_lease_where(_of_kind))
_lease_one = Prepared(_lease_where(_of_kind, jobs.c.id == bindparam("job_id")))
_due_one = Prepared(select(*jobs.c).where(_this_job, _is_due))
_due_of_kind = Prepared(
    select(jobs.c.id, jobs.c.attempts)
    .where(_is_due, _of_kind)
    .order_by(jobs.c.run_at, jobs.c.id)
    .limit(bindparam("most"))
)
_lease_but_for = _lease_where(_of_kind, _is_of_others)
_any_but_for = select(jobs.c.id).where(_is_due, _of_kind, _is_of_others).limit(1)
_news = {
    name: func.coalesce(bindparam(f"new_{name}", type_=jobs.c[name].type), jobs.c[name])
    for name in ("progress", "rate", "lines")
}
_renew = Prepared(update(jobs).where(*_leased).values(lease_until=bindparam("until"), **_news))
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
        **_news,
    )
)
_is_cancelled = Prepared(select(jobs.c.is_cancelled).where(_this_job))
_give_back = Prepared(
    update(jobs)
    .where(*_leased)
    .values(state=bindparam("queued"), attempts=jobs.c.attempts - 1, leased_by=None, lease_until=None)
)
_find_singleton = Prepared(
    select(jobs.c.id).where(
        text("state IN ('queued', 'running') AND singleton IS NOT NULL"), jobs.c.singleton == bindparam("name")
    )
)
# A job is queued with the time at which that was done: one that was queued later than now was queued by the clock as it
# was before. The conditions on state and run_at are those of the index on due jobs.
_is_active = text("state IN ('queued', 'running')")
_was_queued_ahead = and_(
    _is_active, jobs.c.state == QUEUED, jobs.c.run_at > bindparam("at"), jobs.c.updated_at > bindparam("at")
)
_is_leased_ahead = and_(
    text("state = 'running'"), or_(jobs.c.run_at > bindparam("at"), jobs.c.lease_until > bindparam("latest"))
)
_any_leased_ahead = Prepared(select(jobs.c.id).where(_is_leased_ahead).limit(1))
_queue_now = Prepared(update(jobs).where(_was_queued_ahead).values(run_at=bindparam("at"), updated_at=bindparam("at")))
_shorten_leases = Prepared(
    update(jobs).where(_is_leased_ahead).values(run_at=bindparam("at"), lease_until=bindparam("until"))
)


def enqueue(
    conn: Connection, kind: str, payload: Any, *, run_at: int | None = None, singleton: str | None = None
) -> int | None:
    """Add a job and give its number; None, and nothing happens, when one with that `singleton` name is on already."""
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
    statement = insert_on_conflict(jobs).values(values).on_conflict_do_nothing().returning(jobs.c.id)
    return conn.execute(statement).scalar_one_or_none()


def begin(conn: Connection, kind: str) -> int:
    """The only job of a kind: a new one, or the one that is on, which is due now if it waits. Its number."""
    number = enqueue(conn, kind, None, singleton=kind)
    if number is not None:
        return number
    job = of_singleton(conn, kind)
    if job.state == QUEUED:
        at = now(conn)
        conn.execute(update(jobs).where(jobs.c.id == job.id).values(run_at=at, updated_at=at))
    return job.id


def is_on(conn: Connection, singleton: str) -> bool:
    return bool(_find_singleton.all(conn, name=singleton))


def any_due(conn: Connection) -> bool:
    return bool(kinds_due(conn))


def kinds_due(conn: Connection) -> list[Due]:
    """Only reads: most of the time there is nothing to lease."""
    return [Due(kind, run_at) for kind, run_at in _first_due.all(conn, at=now(conn)) if run_at is not None]


class Turn(NamedTuple):
    """An attempt that is to be made."""

    job_id: int
    attempts: int  # before it


def turns_due(conn: Connection, kind: str, most: int) -> list[Turn]:
    """Of a kind, what was to run first."""
    return [Turn._make(row) for row in _due_of_kind.all(conn, at=now(conn), of_kind=kind, most=most)]


def find_due(conn: Connection, job_id: int) -> Job | None:
    """Only reads."""
    row = _due_one.one_or_none(conn, job_id=job_id, at=now(conn))
    return None if row is None else Job._make(row)


def any_ahead(conn: Connection) -> bool:
    """Whether the clock was set back since a job was queued or leased. Only reads."""
    at = now(conn)
    latest = at + 2 * _microseconds(LEASE)
    return bool(_any_queued_ahead.all(conn, at=at) or _any_leased_ahead.all(conn, at=at, latest=latest))


def pull_back(conn: Connection) -> int:
    """Make due what was queued later than now, and let leases that end too late end when one would that begins now: a
    runner that still works renews it before. Gives how many jobs were concerned.
    """
    at, length = now(conn), _microseconds(LEASE)
    shortened = _shorten_leases.run(conn, at=at, latest=at + 2 * length, until=at + length)
    return _queue_now.run(conn, at=at) + shortened


def _microseconds(seconds: float) -> int:
    return int(seconds * 1_000_000)


def lease(
    conn: Connection,
    runner: str,
    seconds: float,
    limit: int,
    kind: str | None = None,
    everywhere: int | None = None,
    but_for: Sequence[str] = (),
    job_id: int | None = None,
) -> list[Job]:
    """Of one kind or all, what was to run first; not what the users `but_for` asked for. Of the kind at most
    `everywhere` are leased then, by all runners: who gives that number has to be alone with it. With `job_id` that one
    of the kind, if it is due.
    """
    at = now(conn)
    if everywhere is not None:
        limit = min(limit, everywhere - _running_of_kind.value(conn, kind=kind, at=at))
    given = {"runner": runner, "at": at, "until": at + _microseconds(seconds), "batch": max(0, limit)}
    if kind is None:
        rows = _lease_any.all(conn, **given, running=RUNNING)
    elif job_id is not None:
        rows = _lease_one.all(conn, **given, running=RUNNING, of_kind=kind, job_id=job_id)
    elif not but_for:
        rows = _lease_of_kind.all(conn, **given, running=RUNNING, of_kind=kind)
    else:
        more = {"running": RUNNING, "of_kind": kind, "users": list(but_for)}
        rows = [tuple(row) for row in conn.execute(_lease_but_for, given | more).all()]
    return sorted((Job._make(row) for row in rows), key=lambda job: (job.run_at, job.id))


def could_lease(conn: Connection, kind: str, everywhere: int | None, but_for: Sequence[str]) -> bool:
    """Whether `lease` would find one. Only reads."""
    at = now(conn)
    if everywhere is not None and everywhere <= _running_of_kind.value(conn, kind=kind, at=at):
        return False
    if not but_for:
        return True
    found = conn.execute(_any_but_for, {"at": at, "of_kind": kind, "users": list(but_for)})
    return found.first() is not None


class News(NamedTuple):
    """What a runner tells of a job that it has; None leaves what was told before."""

    progress: Any = None
    rate: float | None = None
    lines: Sequence[str] | None = None


def renew(conn: Connection, job: Job, seconds: float, news: News | None = None) -> bool:
    """Go on working on a leased job; False when the lease was lost."""
    until = now(conn) + _microseconds(seconds)
    return _renew.run(conn, **_lease_of(job), **_values_of(news), until=until) == 1


def finish(
    conn: Connection, job: Job, state: str, *, again_in: float = 0, error: str | None = None, news: News | None = None
) -> bool:
    """End this attempt: DONE, DEAD, CANCELLED, or QUEUED to be run again in so many seconds. False when the lease was
    lost.
    """
    at = now(conn)
    values = {"new_state": state, "again_at": at + _microseconds(again_in), "new_error": error}
    return _finish.run(conn, **_lease_of(job), **values, **_values_of(news), at=at) == 1


def is_cancelled(conn: Connection, job: Job) -> bool:
    return bool(_is_cancelled.value(conn, job_id=job.id))


def give_back(conn: Connection, job: Job) -> bool:
    """Let another runner have it at once; this attempt doesn't count."""
    return _give_back.run(conn, **_lease_of(job), queued=QUEUED) == 1


def _lease_of(job: Job) -> dict[str, Any]:
    return {"job_id": job.id, "runner": job.leased_by, "attempt": job.attempts}


def _values_of(news: News | None) -> dict[str, Any]:
    progress, rate, lines = news or News()
    progress, lines = (None if each is None else json.dumps(each) for each in (progress, lines))
    return {"new_progress": progress, "new_rate": rate, "new_lines": lines}


def reset_attempts(conn: Connection, job_id: int) -> None:
    """Of a periodic job that has succeeded, or whose run was cancelled: the next one begins as if nothing had been."""
    conn.execute(update(jobs).where(jobs.c.id == job_id).values(attempts=0, is_cancelled=0))


def remove(conn: Connection, job_id: int) -> None:
    """Delete a job whose work is done already."""
    conn.execute(delete(jobs).where(jobs.c.id == job_id))


def list_jobs(conn: Connection, state: str | None = None, limit: int = 100, kind: str | None = None) -> list[Job]:
    """The newest first, without their logs."""
    columns = [null().label("lines") if column is jobs.c.lines else column for column in jobs.c]
    statement = select(*columns).order_by(jobs.c.id.desc()).limit(limit)
    if state is not None:
        statement = statement.where(jobs.c.state == state)
    if kind is not None:
        statement = statement.where(jobs.c.kind == kind)
    return [Job._make(row) for row in conn.execute(statement).all()]


def get(conn: Connection, job_id: int) -> Job:
    row = conn.execute(select(*jobs.c).where(jobs.c.id == job_id)).one_or_none()
    if row is None:
        raise NoSuchJob(f"there is no job {job_id}")
    return Job._make(row)


def find(conn: Connection, name: str) -> Job:
    """By its number, or by the id that the JSON API calls one by that a user asked for. Raises NoSuchJob."""
    if name.isascii() and name.isdigit() and len(name) < 19:
        return get(conn, int(name))
    row = conn.execute(select(*jobs.c).where(jobs.c.uuid == name)).one_or_none()
    if row is None:
        raise NoSuchJob(f"there is no job {name}")
    return Job._make(row)


def of_singleton(conn: Connection, name: str) -> Job:
    """The one of that name that is queued or running. Raises NoSuchJob."""
    for (job_id,) in _find_singleton.all(conn, name=name):
        return get(conn, job_id)
    raise NoSuchJob(f"no job {name} is queued or running")


def retry(conn: Connection, job_id: int) -> Job:
    """Queue a dead job again, as if it were new."""
    job = get(conn, job_id)
    if job.state != DEAD:
        raise NoSuchJob(f"job {job_id} isn't dead")
    if job.singleton is not None and _find_singleton.all(conn, name=job.singleton):
        raise NoSuchJob(f"job {job_id} has a successor, which is queued or running")
    values = {"state": QUEUED, "attempts": 0, "error": None, "run_at": now(conn), "updated_at": now(conn)}
    values |= {"refusal": None, "result": None, "is_cancelled": 0}
    conn.execute(update(jobs).where(jobs.c.id == job_id).values(values))
    return get(conn, job_id)


def delete_done_before(conn: Connection, at: int, limit: int) -> int:
    """At most so many, done or cancelled, but for those of users, who look at them for longer (ended.py)."""
    old = _done_before(at).order_by(jobs.c.updated_at).limit(limit)
    return conn.execute(delete(jobs).where(jobs.c.id.in_(old))).rowcount


def any_done_before(conn: Connection, at: int) -> bool:
    return conn.execute(_done_before(at).limit(1)).first() is not None


def _done_before(at: int) -> Select[tuple[int]]:
    of_the_index = text("state IN ('done', 'cancelled') AND asked_by IS NULL")
    return select(jobs.c.id).where(of_the_index, jobs.c.updated_at < at)
