"""SQL of usage: how much is in each bucket, counted in the transaction of each change.

SQLite's writers take turns anyhow, so there a change adds to the bucket's row itself. On PostgreSQL writers of
different keys would wait for one another at that row, so the row of a change in the outbox carries what it adds, and a
job adds it to `usage` afterwards (jobs/follow_changes.py); until then both together are what is in the bucket.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import BindParameter, bindparam, delete, func, insert, select, true, tuple_, update

from s3gw.metadata.database import Connection
from s3gw.metadata.prepared import Prepared
from s3gw.metadata.schema import change_readers, changes, objects, parts, uploads, usage


class Usage(NamedTuple):
    """Of a bucket, or what a change adds to it. `bytes` are those of all versions, whether current or not, `part_bytes`
    those of uploads that aren't completed; `versions` has no delete markers in it.
    """

    bytes: int = 0
    part_bytes: int = 0
    objects: int = 0
    versions: int = 0
    markers: int = 0


NOTHING = Usage()
READER = "usage"  # of the outbox, on PostgreSQL; there from the beginning

_begin = Prepared(insert(usage).values({"bucket_id": bindparam("bucket_id"), **dict.fromkeys(Usage._fields, 0)}))
_add = Prepared(
    update(usage)
    .where(usage.c.bucket_id == bindparam("of_bucket"))
    .values({name: usage.c[name] + bindparam(f"more_{name}") for name in Usage._fields})
)


_of_this: BindParameter[int] = bindparam("bucket_id")
_tail = (
    select(*(func.coalesce(func.sum(changes.c[f"more_{name}"]), 0).label(name) for name in Usage._fields))
    .where(
        changes.c.bucket_id == _of_this,
        tuple_(changes.c.transaction, changes.c.id)
        > select(change_readers.c.transaction, change_readers.c.id)
        .where(change_readers.c.name == READER)
        .scalar_subquery(),
    )
    .subquery()
)
_of_bucket = {
    "sqlite": Prepared(select(*(usage.c[name] for name in Usage._fields)).where(usage.c.bucket_id == _of_this)),
    "postgresql": Prepared(
        select(*(usage.c[name] + _tail.c[name] for name in Usage._fields))
        .join_from(usage, _tail, true())
        .where(usage.c.bucket_id == _of_this)
    ),
}


def begin(conn: Connection, bucket_id: int) -> None:
    """Of a new bucket."""
    _begin.run(conn, bucket_id=bucket_id)


def forget(conn: Connection, bucket_id: int) -> None:
    """Of a bucket that is deleted."""
    conn.execute(delete(usage).where(usage.c.bucket_id == bucket_id))


def add(conn: Connection, bucket_id: int, more: Usage) -> None:
    if any(more):
        _add.run(
            conn, of_bucket=bucket_id, **{f"more_{name}": value for name, value in zip(more._fields, more, strict=True)}
        )


def sum_of(usages: Iterable[Usage]) -> Usage:
    return Usage(*map(sum, zip(NOTHING, *usages, strict=True)))


def add_all(conn: Connection, of_buckets: Iterable[tuple[int, Usage]]) -> None:
    """Of many changes. In the order of the buckets' ids, so that two transactions never wait for each other."""
    sums: dict[int, Usage] = {}
    for bucket_id, more in of_buckets:
        sums[bucket_id] = sum_of((sums.get(bucket_id, NOTHING), more))
    for bucket_id in sorted(sums):
        add(conn, bucket_id, sums[bucket_id])


def of_bucket(conn: Connection, bucket_id: int) -> Usage:
    """What is in it now, as this transaction sees it."""
    row = _of_bucket[conn.dialect].one_or_none(conn, bucket_id=bucket_id)
    return NOTHING if row is None else Usage(*map(int, row))


def count(conn: Connection, bucket_id: int) -> Usage:
    """As `of_bucket`, counted from the objects and parts themselves."""
    of_objects = select(
        func.coalesce(func.sum(objects.c.size), 0),
        func.coalesce(func.sum(objects.c.is_current), 0),
        func.coalesce(func.sum(1 - objects.c.is_delete_marker), 0),
        func.coalesce(func.sum(objects.c.is_delete_marker), 0),
    ).where(objects.c.bucket_id == bucket_id)
    of_parts = select(func.coalesce(func.sum(parts.c.size), 0)).select_from(
        parts.join(uploads, uploads.c.upload_id == parts.c.upload_id)
    )
    bytes_, current, versions, markers = map(int, conn.execute(of_objects).one())
    part_bytes = conn.execute(of_parts.where(uploads.c.bucket_id == bucket_id)).scalar_one()
    return Usage(bytes_, int(part_bytes), current, versions, markers)
