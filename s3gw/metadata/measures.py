"""SQL of what monitors are told: how much there is, what waits, and since when. Reads only, and
nothing whose time grows with the number of objects.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, bindparam, func, select, text, tuple_

from s3gw.metadata import damaged_blobs
from s3gw.metadata.database import Connection, now
from s3gw.metadata.prepared import Prepared
from s3gw.metadata.scans import STATES
from s3gw.metadata.schema import (
    blobs,
    buckets,
    change_readers,
    changes,
    contents,
    event_deliveries,
    jobs,
    resumable_uploads,
    scans,
    uploads,
    usage,
    users,
)
from s3gw.metadata.usage import Usage

MOST_COUNTED = 100_000  # of what waits; one that has more is told to have so many


class Waiting(NamedTuple):
    """`since`: seconds that the oldest is due."""

    rows: int
    since: float


class Measures(NamedTuple):
    buckets: int
    users: int
    usage: Usage
    open_uploads: dict[str, int]  # multipart, resumable
    jobs: dict[tuple[str, str], Waiting]  # by kind and state
    dead_jobs: dict[str, int]  # by kind
    unread_changes: dict[str, int]  # by reader
    deliveries: dict[str, Waiting]  # by state
    scans: dict[str, int]  # contents, by what the virus scanner has said
    damaged: int  # chunks that scrubbing found bad and that aren't healed
    released: dict[str, int]  # contents and blobs that nobody counts on any more and that aren't removed yet


def _counted(wanted: Select[Any]) -> Prepared:
    return Prepared(select(func.count()).select_from(wanted.limit(bindparam("most")).subquery()))


_buckets = _counted(select(buckets.c.id).where(buckets.c.deleted_at.is_(None)))
_users = _counted(select(users.c.id).where(users.c.deleted_at.is_(None)))
_uploads = {
    "multipart": _counted(select(uploads.c.upload_id)),
    "resumable": _counted(select(resumable_uploads.c.id).where(resumable_uploads.c.ended_at.is_(None))),
}
_dead_jobs = Prepared(select(jobs.c.kind, func.count()).where(jobs.c.state == "dead").group_by(jobs.c.kind))
_waiting_jobs = Prepared(
    select(jobs.c.kind, jobs.c.state, func.count(), func.min(jobs.c.run_at))
    .where(text("state IN ('queued', 'running')"))
    .group_by(jobs.c.kind, jobs.c.state)
)
_scans = {state: _counted(select(scans.c.digest).where(scans.c.state == state)) for state in STATES}
_readers = Prepared(select(change_readers.c.name, change_readers.c.transaction, change_readers.c.id))
_after: dict[str, ColumnElement[bool]] = {
    "sqlite": changes.c.id > bindparam("id"),
    "postgresql": tuple_(changes.c.transaction, changes.c.id) > tuple_(bindparam("transaction"), bindparam("id")),
}
_changes_after = {dialect: _counted(select(changes.c.id).where(after)) for dialect, after in _after.items()}
_told_events = Prepared(
    select(event_deliveries.c.state, func.count(), func.min(event_deliveries.c.created_at)).group_by(
        event_deliveries.c.state
    )
)
_all_usage = Prepared(select(*(func.coalesce(func.sum(usage.c[name]), 0) for name in Usage._fields)))
_released = {
    "contents": _counted(select(contents.c.id).where(text("refs = 0"))),
    "blobs": _counted(select(blobs.c.digest).where(text("refs = 0"))),
}


def _count(conn: Connection, counted: Prepared, **place: Any) -> int:
    found: int = counted.value(conn, most=MOST_COUNTED, **place)
    return found


def measure(conn: Connection) -> Measures:
    return Measures(
        buckets=_count(conn, _buckets),
        users=_count(conn, _users),
        usage=Usage._make(map(int, _all_usage.all(conn)[0])),
        open_uploads={kind: _count(conn, counted) for kind, counted in _uploads.items()},
        jobs=_jobs(conn),
        dead_jobs=dict(_dead_jobs.all(conn)),
        unread_changes=_unread(conn),
        deliveries=_deliveries(conn),
        scans={state: _count(conn, counted) for state, counted in _scans.items()},
        damaged=damaged_blobs.count(conn),
        released=released(conn),
    )


def released(conn: Connection) -> dict[str, int]:
    """What the reaper has before it; of each kind no more is counted than MOST_COUNTED."""
    return {kind: _count(conn, counted) for kind, counted in _released.items()}


def _jobs(conn: Connection) -> dict[tuple[str, str], Waiting]:
    at = now(conn)
    return {
        (kind, state): Waiting(count, max(0, at - since) / 1_000_000)
        for kind, state, count, since in _waiting_jobs.all(conn)
    }


def _unread(conn: Connection) -> dict[str, int]:
    counted, behind = _changes_after[conn.dialect], {}
    for name, transaction, row_id in _readers.all(conn):
        place = {"id": row_id} if conn.dialect == "sqlite" else {"transaction": transaction, "id": row_id}
        behind[name] = _count(conn, counted, **place)
    return behind


def _deliveries(conn: Connection) -> dict[str, Waiting]:
    at = now(conn)
    found = _told_events.all(conn)
    return {state: Waiting(count, max(0, at - oldest) / 1_000_000) for state, count, oldest in found}
