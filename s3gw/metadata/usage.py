"""SQL of usage: how much is in each bucket, counted in the transaction of each change.

SQLite's writers take turns anyhow, so there a change adds to the bucket's row itself. On PostgreSQL writers of
different keys would wait for one another at that row, so the row of a change in the outbox carries what it adds, and a
job adds it to `usage` afterwards (jobs/follow_changes.py); until then both together are what is in the bucket.
"""

from __future__ import annotations

import operator
from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import BindParameter, Select, Text, bindparam, delete, func, insert, select, true, tuple_, update

from s3gw.metadata.database import Connection
from s3gw.metadata.prepared import Prepared
from s3gw.metadata.schema import buckets, change_readers, changes, objects, parts, prefix_quotas, trash, uploads, usage


class Usage(NamedTuple):
    """Of a bucket, or what a change adds to it. `bytes` are those of all versions, whether current or not, `part_bytes`
    those of uploads that aren't completed; `versions` has no delete markers in it. `trash_bytes` and `trashed` are of
    versions in the trash, which are in none of the others.
    """

    bytes: int = 0
    part_bytes: int = 0
    objects: int = 0
    versions: int = 0
    markers: int = 0
    trash_bytes: int = 0
    trashed: int = 0

    def as_more(self) -> dict[str, int]:
        """By the names of the columns of the outbox."""
        return dict(zip(MORE, self, strict=True))

    @property
    def all_bytes(self) -> int:
        """As a quota counts them."""
        return self.bytes + self.part_bytes + self.trash_bytes

    @property
    def all_objects(self) -> int:
        """As a quota counts them."""
        return self.versions + self.trashed


NOTHING = Usage()
MORE = tuple(f"more_{name}" for name in Usage._fields)
READER = "usage"  # of the outbox, on PostgreSQL; there from the beginning

_begin = Prepared(insert(usage).values({"bucket_id": bindparam("bucket_id"), **dict.fromkeys(Usage._fields, 0)}))
_add = Prepared(
    update(usage)
    .where(usage.c.bucket_id == bindparam("of_bucket"))
    .values({name: usage.c[name] + bindparam(f"more_{name}") for name in Usage._fields})
)


_place = tuple_(changes.c.transaction, changes.c.id)
_read_up_to = (
    select(change_readers.c.transaction, change_readers.c.id).where(change_readers.c.name == READER).scalar_subquery()
)
_more = tuple(func.coalesce(func.sum(changes.c[f"more_{name}"]), 0).label(name) for name in Usage._fields)
_unread = select(*_more).where(_place > _read_up_to)  # on PostgreSQL: what isn't in `usage` yet
# As far as lists of buckets are in the order of their sizes, on PostgreSQL.
unread_sizes = (
    select(changes.c.bucket_id, func.sum(changes.c.more_bytes + changes.c.more_part_bytes).label("more"))
    .where(_place > _read_up_to)
    .group_by(changes.c.bucket_id)
    .subquery("unread_sizes")
)
_of_this: BindParameter[int] = bindparam("bucket_id")
_own = select(*(func.coalesce(func.sum(usage.c[name]), 0).label(name) for name in Usage._fields))
_owned = select(buckets.c.id).where(buckets.c.owner_id == bindparam("owner_id"))
_below = func.substr(changes.c.key, 1, func.length(bindparam("prefix", type_=Text))) == bindparam("prefix", type_=Text)


def _together(counted: Select[Any], unread: Select[Any]) -> dict[str, Prepared]:
    """The two are one statement, so that a row that is read meanwhile is in one of them."""
    one, other = counted.subquery(), unread.subquery()
    both = select(*(one.c[name] + other.c[name] for name in Usage._fields)).join_from(one, other, true())
    return {"sqlite": Prepared(counted), "postgresql": Prepared(both)}


_of_bucket = _together(_own.where(usage.c.bucket_id == _of_this), _unread.where(changes.c.bucket_id == _of_this))
_of_owner = _together(_own.where(usage.c.bucket_id.in_(_owned)), _unread.where(changes.c.bucket_id.in_(_owned)))
# Bytes and objects as quotas count them, below each prefix that has one.
unread_below_each = tuple(
    select(func.coalesce(func.sum(more), 0))
    .where(
        _place > _read_up_to,
        changes.c.bucket_id == prefix_quotas.c.bucket_id,
        func.substr(changes.c.key, 1, func.length(prefix_quotas.c.prefix)) == prefix_quotas.c.prefix,
    )
    .correlate(prefix_quotas)
    .scalar_subquery()
    for more in (
        changes.c.more_bytes + changes.c.more_part_bytes + changes.c.more_trash_bytes,
        changes.c.more_versions + changes.c.more_trashed,
    )
)
_unread_below = Prepared(_unread.where(changes.c.bucket_id == _of_this, _below))
_add_below = Prepared(
    update(prefix_quotas)
    .where(
        prefix_quotas.c.bucket_id == bindparam("of_bucket"),
        func.substr(bindparam("of_key", type_=Text), 1, func.length(prefix_quotas.c.prefix)) == prefix_quotas.c.prefix,
    )
    .values(
        used_bytes=prefix_quotas.c.used_bytes + bindparam("more_bytes"),
        used_objects=prefix_quotas.c.used_objects + bindparam("more_objects"),
    )
)


def begin(conn: Connection, bucket_id: int) -> None:
    """Of a new bucket."""
    _begin.run(conn, bucket_id=bucket_id)


def forget(conn: Connection, bucket_id: int) -> None:
    """Of a bucket that is deleted."""
    for table in (usage, prefix_quotas):
        conn.execute(delete(table).where(table.c.bucket_id == bucket_id))


def add(conn: Connection, bucket_id: int, more: Usage) -> None:
    if any(more):
        _add.run(conn, of_bucket=bucket_id, **more.as_more())


def sum_of(usages: Iterable[Usage]) -> Usage:
    return Usage(*map(sum, zip(NOTHING, *usages, strict=True)))


def difference(whole: Usage, part: Usage) -> Usage:
    return Usage(*map(operator.sub, whole, part))


def add_below(conn: Connection, bucket_id: int, key: str, more: Usage) -> None:
    """To the counts of the prefixes of a key that have a quota."""
    if more.all_bytes or more.all_objects:
        _add_below.run(conn, of_bucket=bucket_id, of_key=key, more_bytes=more.all_bytes, more_objects=more.all_objects)


def with_prefixes(conn: Connection) -> set[int]:
    """The buckets that count below prefixes."""
    return set(conn.execute(select(prefix_quotas.c.bucket_id).distinct()).scalars().all())


def add_all(conn: Connection, of_buckets: Iterable[tuple[int, Usage]]) -> None:
    """Of many changes. In the order of the buckets' ids, so that two transactions never wait for each other."""
    sums: dict[int, Usage] = {}
    for bucket_id, more in of_buckets:
        sums[bucket_id] = sum_of((sums.get(bucket_id, NOTHING), more))
    for bucket_id in sorted(sums):
        add(conn, bucket_id, sums[bucket_id])


def of_bucket(conn: Connection, bucket_id: int) -> Usage:
    """What is in it now, as this transaction sees it."""
    return _usage(_of_bucket[conn.dialect].one_or_none(conn, bucket_id=bucket_id))


def of_owner(conn: Connection, owner_id: str) -> Usage:
    """What is in all buckets of a user."""
    return _usage(_of_owner[conn.dialect].one_or_none(conn, owner_id=owner_id))


def sums_of(conn: Connection, bucket_ids: Select[Any]) -> Usage:
    """What is in many buckets, but for what PostgreSQL's outbox will still add."""
    return _usage(conn.execute(_own.where(usage.c.bucket_id.in_(bucket_ids))).one_or_none())


def unread_below(conn: Connection, bucket_id: int, prefix: str) -> Usage:
    """On PostgreSQL: what was added below a prefix and isn't in the counts of prefixes yet."""
    return _usage(_unread_below.one_or_none(conn, bucket_id=bucket_id, prefix=prefix))


def of_buckets(conn: Connection, bucket_ids: Collection[int]) -> dict[int, Usage]:
    """As `of_bucket`, of many at once, by their ids."""
    counted = [usage.c[name] for name in Usage._fields]
    found = select(usage.c.bucket_id, *counted)
    if conn.dialect == "postgresql":
        of_these = select(changes.c.bucket_id, *_more).where(_place > _read_up_to, changes.c.bucket_id.in_(bucket_ids))
        more = of_these.group_by(changes.c.bucket_id).subquery()
        both = (column + func.coalesce(more.c[column.name], 0) for column in counted)
        found = select(usage.c.bucket_id, *both).outerjoin_from(usage, more, more.c.bucket_id == usage.c.bucket_id)
    rows = conn.execute(found.where(usage.c.bucket_id.in_(bucket_ids))).all()
    return dict.fromkeys(bucket_ids, NOTHING) | {row[0]: _usage(row[1:]) for row in rows}


def parts_of(conn: Connection, bucket_ids: Collection[int]) -> dict[int, int]:
    """How many parts uploads have that aren't completed, by the ids of their buckets; none of those that have none."""
    of_uploads = select(uploads.c.bucket_id, func.count()).join_from(
        parts, uploads, parts.c.upload_id == uploads.c.upload_id
    )
    counted = of_uploads.where(uploads.c.bucket_id.in_(bucket_ids)).group_by(uploads.c.bucket_id)
    rows: Sequence[Any] = conn.execute(counted).all()
    found: dict[int, int] = dict(rows)
    return found


def _usage(row: Sequence[Any] | None) -> Usage:
    return NOTHING if row is None else Usage(*map(int, row))


def count(conn: Connection, bucket_id: int, prefix: str = "") -> Usage:
    """As `of_bucket`, counted from the objects and parts themselves; of those below a prefix."""
    of_objects = select(
        func.coalesce(func.sum(objects.c.size), 0),
        func.coalesce(func.sum(objects.c.is_current), 0),
        func.coalesce(func.sum(1 - objects.c.is_delete_marker), 0),
        func.coalesce(func.sum(objects.c.is_delete_marker), 0),
    ).where(objects.c.bucket_id == bucket_id, func.substr(objects.c.key, 1, len(prefix)) == prefix)
    of_parts = (
        select(func.coalesce(func.sum(parts.c.size), 0))
        .select_from(parts.join(uploads, uploads.c.upload_id == parts.c.upload_id))
        .where(uploads.c.bucket_id == bucket_id, func.substr(uploads.c.key, 1, len(prefix)) == prefix)
    )
    of_trash = select(func.coalesce(func.sum(trash.c.size), 0), func.count()).where(
        trash.c.bucket_id == bucket_id, func.substr(trash.c.key, 1, len(prefix)) == prefix
    )
    bytes_, current, versions, markers = map(int, conn.execute(of_objects).one())
    part_bytes = conn.execute(of_parts).scalar_one()
    return Usage(bytes_, int(part_bytes), current, versions, markers, *map(int, conn.execute(of_trash).one()))
