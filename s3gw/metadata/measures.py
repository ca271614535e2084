"""SQL of what monitors are told: how much there is, what waits, and since when. Reads only, and
nothing whose time grows with the number of objects.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import Select, and_, func, literal, select, text, tuple_

from s3gw.metadata import damaged_blobs
from s3gw.metadata.database import Connection, now
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


def measure(conn: Connection) -> Measures:
    return Measures(
        buckets=_count(conn, select(buckets.c.id).where(buckets.c.deleted_at.is_(None))),
        users=_count(conn, select(users.c.id).where(users.c.deleted_at.is_(None))),
        usage=_usage(conn),
        open_uploads={
            "multipart": _count(conn, select(uploads.c.upload_id)),
            "resumable": _count(conn, select(resumable_uploads.c.id).where(resumable_uploads.c.ended_at.is_(None))),
        },
        jobs=_jobs(conn),
        dead_jobs=_by(conn, select(jobs.c.kind, func.count()).where(jobs.c.state == "dead").group_by(jobs.c.kind)),
        unread_changes=_unread(conn),
        deliveries=_deliveries(conn),
        scans={state: _count(conn, select(scans.c.digest).where(scans.c.state == state)) for state in STATES},
        damaged=damaged_blobs.count(conn),
        released=released(conn),
    )


def released(conn: Connection) -> dict[str, int]:
    """What the reaper has before it; of each kind no more is counted than MOST_COUNTED."""
    return {
        "contents": _count(conn, select(contents.c.id).where(text("refs = 0"))),
        "blobs": _count(conn, select(blobs.c.digest).where(text("refs = 0"))),
    }


def _count(conn: Connection, wanted: Select[Any]) -> int:
    found: int = conn.execute(select(func.count()).select_from(wanted.limit(MOST_COUNTED).subquery())).scalar_one()
    return found


def _rows(conn: Connection, wanted: Select[Any]) -> list[Any]:
    return list(conn.execute(wanted).all())


def _by(conn: Connection, wanted: Select[Any]) -> dict[str, int]:
    counted: dict[str, int] = dict(_rows(conn, wanted))
    return counted


def _usage(conn: Connection) -> Usage:
    sums = [func.coalesce(func.sum(usage.c[name]), 0) for name in Usage._fields]
    return Usage._make(int(value) for value in conn.execute(select(*sums)).one())


def _jobs(conn: Connection) -> dict[tuple[str, str], Waiting]:
    at = now(conn)
    wanted: Select[Any] = (
        select(jobs.c.kind, jobs.c.state, func.count(), func.min(jobs.c.run_at))
        .where(text("state IN ('queued', 'running')"))
        .group_by(jobs.c.kind, jobs.c.state)
    )
    return {
        (kind, state): Waiting(count, max(0, at - since) / 1_000_000)
        for kind, state, count, since in _rows(conn, wanted)
    }


def _unread(conn: Connection) -> dict[str, int]:
    place, of_reader = tuple_(changes.c.transaction, changes.c.id), (change_readers.c.transaction, change_readers.c.id)
    of_readers: Select[Any] = select(change_readers.c.name, *of_reader)
    behind = {}
    for name, transaction, row_id in _rows(conn, of_readers):
        after = (
            changes.c.id > row_id if conn.dialect == "sqlite" else place > tuple_(literal(transaction), literal(row_id))
        )
        behind[name] = _count(conn, select(changes.c.id).where(and_(after)))
    return behind


def _deliveries(conn: Connection) -> dict[str, Waiting]:
    at, table = now(conn), event_deliveries
    wanted: Select[Any] = select(table.c.state, func.count(), func.min(table.c.created_at)).group_by(table.c.state)
    return {state: Waiting(count, max(0, at - oldest) / 1_000_000) for state, count, oldest in _rows(conn, wanted)}
