"""SQL of jobs that users ask for (jobs.py has the queue): who asked, what he is told, and cancelling.

A job that is cancelled while it runs is told so, and ends at its next step; one that waits ends at once. What a job is
refused is told to its user; what else went wrong is told to whoever looks after the server alone (`error`). An upload
that was made for a job (`kept` in its payload) is gone when the job has ended, however it did.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple
from uuid import uuid4

from sqlalchemy import ColumnElement, Select, bindparam, case, delete, func, null, select, text, update

from s3gw.metadata import audit, jobs, uploads
from s3gw.metadata.active_users import IS_ACTIVE
from s3gw.metadata.audit import Actor
from s3gw.metadata.database import Connection, now
from s3gw.metadata.job_kinds import NEVER_CANCELLED, PERIODIC
from s3gw.metadata.jobs import CANCELLED, DEAD, DONE, QUEUED, RUNNING, Job, News
from s3gw.metadata.prepared import Prepared
from s3gw.metadata.schema import jobs as table
from s3gw.metadata.schema import users
from s3gw.metadata.sessions import SessionUser
from s3gw.problems import Conflict, NotFound

MOST_OF_USER = 20  # jobs that wait or run
FAILED = "failed"  # what users are told of DEAD
_ACTIVE, _ENDED = (QUEUED, RUNNING), (DONE, DEAD, CANCELLED)
LONGEST_LISTED = 4096  # characters of a result in a list
_TOLD_AT_END = ("done", "total")  # of progress, which has what an attempt goes on from until then
_accounts = users.alias("accounts")


class AskedJob(NamedTuple):
    """As it is told; also the server's own work, whose `id` is its number. `state`: queued | running | done | failed |
    cancelled; times in microseconds since the epoch; `lines` of its log, None in a list; `fault`: what went wrong last,
    for whoever looks after the server.
    """

    id: str
    asked_by: str | None
    kind: str
    state: str
    progress: Any
    result: Any
    refusal: Any
    created_at: int
    updated_at: int
    attempts: int
    begun_at: int | None
    rate: float | None
    lines: list[str] | None
    fault: str | None


class Page(NamedTuple):
    jobs: list[AskedJob]
    total: int


_ABOUT = ("uuid", "asked_by", "kind", "state", "attempts", "created_at", "updated_at", "begun_at")
_CAME_OF_IT = ("progress", "result", "refusal", "rate", "lines", "error")
_columns = (table.c.id, table.c.is_cancelled, table.c.singleton, *(table.c[name] for name in (*_ABOUT, *_CAME_OF_IT)))
_short_result = case((func.length(table.c.result) <= LONGEST_LISTED, table.c.result), else_=None).label("result")
_shortened = {"result": _short_result, "lines": null().label("lines")}
_listed = tuple(_shortened.get(column.name, column) for column in _columns)
_is_active = text("state IN ('queued', 'running') AND singleton IS NOT NULL")  # as the index on singletons says it
_asker = Prepared(
    select(
        users.c.id,
        _accounts.c.canonical_id,
        _accounts.c.account_id,
        users.c.name,
        users.c.role,
        _accounts.c.id.label("account_owner_id"),
        users.c.rules_revision,
    )
    .join_from(users, _accounts, _accounts.c.id == func.coalesce(users.c.account_owner_id, users.c.id))
    .where(users.c.id == bindparam("user_id"), IS_ACTIVE)
)


def ask(
    conn: Connection,
    actor: Actor,
    kind: str,
    payload: Any,
    told: Any,
    *,
    singleton: str | None = None,
    user_id: str | None = None,
) -> AskedJob:
    """In the name of the actor, or of another user, who may have asked for the very same (`singleton`) before: then it
    is that one. `told` is what the audit log has of it. Raises Conflict where another user did, where that one is about
    to end because it was cancelled, or where he has too many; nothing is written then.
    """
    asked_by = actor.id if user_id is None else user_id
    conn.execute(_lock_of(asked_by))
    if singleton is not None:
        same = select(*_columns).where(_is_active, table.c.singleton == singleton)
        row = conn.execute(same).one_or_none()
        if row is not None:
            if row.asked_by != asked_by:
                raise Conflict("another user has asked for it, and it isn't done yet")
            if row.is_cancelled:
                raise Conflict("it was cancelled just now, and hasn't ended yet: ask again")
            return _told(row)
    _require_few(conn, asked_by)
    number = jobs.enqueue(conn, kind, payload, singleton=singleton)
    if number is None:  # by another transaction, just now
        raise Conflict("it was asked for just now, and isn't done yet")
    job_id = str(uuid4())
    conn.execute(update(table).where(table.c.id == number).values(uuid=job_id, asked_by=asked_by))
    audit.record(conn, actor, "job.create", "job", job_id, None, {"kind": kind, **told})
    return find(conn, job_id)


def _lock_of(user_id: str) -> Select[tuple[str]]:
    """So that the jobs of a user are counted by one at a time."""
    return select(users.c.id).where(users.c.id == user_id).with_for_update()


def _require_few(conn: Connection, user_id: str) -> None:
    """The user is locked."""
    mine = (table.c.asked_by == user_id, table.c.state.in_(_ACTIVE))
    if conn.execute(select(func.count()).select_from(table).where(*mine)).scalar_one() >= MOST_OF_USER:
        raise Conflict(f"a user has {MOST_OF_USER} jobs at most that aren't done: wait, or cancel some")


def find(conn: Connection, job_id: str) -> AskedJob:
    """By its id; of the server's own work by its number. Raises NotFound."""
    row = conn.execute(select(*_columns).where(_is_called(job_id))).one_or_none()
    if row is None:
        raise NotFound("there is no such job")
    told = _told(row)
    return told._replace(lines=told.lines or [])


def _is_called(job_id: str) -> ColumnElement[bool]:
    if job_id.isascii() and job_id.isdigit() and len(job_id) < 19:
        return table.c.id == int(job_id)
    return table.c.uuid == job_id


def page(
    conn: Connection,
    user_id: str | None,
    kind: str | None,
    state: str | None,
    after: str | None,
    offset: int,
    limit: int,
) -> Page:
    """Of a user, or all with the server's own work, the newest first, without results that are long, and logs; `after`
    is the id that the page before ended with.
    """
    where: list[ColumnElement[bool]] = [] if user_id is None else [table.c.asked_by == user_id]
    if kind is not None:
        where.append(table.c.kind == kind)
    if state is not None:
        where.append(table.c.state == (DEAD if state == FAILED else state))
    total = conn.execute(select(func.count()).select_from(table).where(*where)).scalar_one()
    if after is not None:
        where.append(table.c.id < select(table.c.id).where(_is_called(after)).scalar_subquery())
        offset = 0
    rows = conn.execute(select(*_listed).where(*where).order_by(table.c.id.desc()).offset(offset).limit(limit)).all()
    return Page([_told(row) for row in rows], total)


def cancel(conn: Connection, actor: Actor, job_id: str) -> AskedJob:
    """At once where it waits; while it runs, at its next step. Again it changes nothing. Raises NotFound, and Conflict
    where it has ended otherwise, or can't be cancelled: of the server's work only what lasts can.
    """
    row = conn.execute(select(*_columns, table.c.payload).where(_is_called(job_id)).with_for_update()).one_or_none()
    if row is None:
        raise NotFound("there is no such job")
    if row.state in (DONE, DEAD):
        raise Conflict("the job has ended")
    if row.is_cancelled:
        return _told(row)
    if row.kind in NEVER_CANCELLED:
        raise Conflict("nothing else would do what this job does: it can't be cancelled")
    if row.state == QUEUED and row.asked_by is None and row.singleton == row.kind and row.kind in PERIODIC:
        raise Conflict("this is periodic work of the server that waits for its time: it has nothing to cancel")
    values = {"is_cancelled": 1, "updated_at": now(conn)} | ({"state": CANCELLED} if row.state == QUEUED else {})
    conn.execute(update(table).where(table.c.id == row.id).values(values))
    if row.state == QUEUED and row.asked_by is not None:
        _free(conn, row.payload)
    told = {"kind": row.kind, "asked_by": row.asked_by}
    audit.record(conn, actor, "job.cancel", "job", row.uuid or str(row.id), told, None)
    return find(conn, job_id)


def retry(conn: Connection, actor: Actor, job_id: str) -> AskedJob:
    """One that has failed, as if it were new. Raises NotFound, and Conflict where it hasn't failed, where the same is
    on again, where what was sent for it is gone, or where its user has too many.
    """
    row = conn.execute(select(*_columns, table.c.payload).where(_is_called(job_id)).with_for_update()).one_or_none()
    if row is None:
        raise NotFound("there is no such job")
    if row.state != DEAD:
        raise Conflict("only a job that has failed can be tried again")
    if _kept_for(row.payload) is not None:
        raise Conflict("what was sent for this job is gone: send it again")
    if row.asked_by is not None:
        conn.execute(_lock_of(row.asked_by))
        _require_few(conn, row.asked_by)
    try:
        jobs.retry(conn, row.id)
    except jobs.NoSuchJob:
        raise Conflict("the same is queued or running already") from None
    told = {"kind": row.kind, "asked_by": row.asked_by}
    audit.record(conn, actor, "job.retry", "job", row.uuid or str(row.id), None, told)
    return find(conn, job_id)


def end(
    conn: Connection,
    job: Job,
    state: str,
    *,
    news: News | None = None,
    result: Any = None,
    refusal: Any = None,
    error: Any = None,
) -> None:
    """DONE with a result, DEAD with what it was refused, or CANCELLED; nothing where the lease was lost. One that is
    DEAD may be tried again, and goes on then where it was.
    """
    progress = None if news is None else news.progress
    if news is not None and progress and state != DEAD:
        news = news._replace(progress={name: progress[name] for name in _TOLD_AT_END if name in progress})
    if jobs.finish(conn, job, state, error=error, news=news):
        told = {"result": result, "refusal": refusal}
        values = {name: None if value is None else json.dumps(value) for name, value in told.items()}
        conn.execute(update(table).where(table.c.id == job.id).values(values))
        _free(conn, job.payload)


def _free(conn: Connection, payload: str) -> None:
    kept = _kept_for(payload)
    if kept is not None:
        uploads.abort(conn, kept)


def _kept_for(payload: str) -> Any:
    """The upload that was made for a job."""
    read = json.loads(payload)
    return read.get("kept") if isinstance(read, dict) else None


def asker_of(conn: Connection, user_id: str) -> SessionUser | None:
    """As he is now; None: he isn't active any more."""
    row = _asker.one_or_none(conn, user_id=user_id)
    return None if row is None else SessionUser._make(row)


def forget(conn: Connection, before: int, limit: int) -> int:
    """Delete at most `limit` that ended before a time; how many."""
    ended = (table.c.asked_by.is_not(None), table.c.state.in_(_ENDED), table.c.updated_at < before)
    found = conn.execute(select(table.c.id).where(*ended).limit(limit)).scalars().all()
    if found:
        conn.execute(delete(table).where(table.c.id.in_(found)))
    return len(found)


def _told(row: Any) -> AskedJob:
    return AskedJob(
        id=row.uuid or str(row.id),
        asked_by=row.asked_by,
        kind=row.kind,
        state=FAILED if row.state == DEAD else row.state,
        progress=_read(row.progress),
        result=_read(row.result),
        refusal=_read(row.refusal),
        created_at=row.created_at,
        updated_at=row.updated_at,
        attempts=row.attempts,
        begun_at=row.begun_at,
        rate=row.rate,
        lines=_read(row.lines),
        fault=row.error,
    )


def _read(document: str | None) -> Any:
    return None if document is None else json.loads(document)
