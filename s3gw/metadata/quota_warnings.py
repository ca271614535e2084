"""SQL of quotas that are nearly used up: of buckets, of prefixes and of users, and what was told of each.

What is used is read as it is counted in the tables; on PostgreSQL a change of the last second may be missing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Select,
    String,
    Subquery,
    and_,
    bindparam,
    case,
    cast,
    delete,
    func,
    literal,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import insert as insert_on_conflict  # SQLite has the same

from s3gw.metadata import outbox
from s3gw.metadata.database import Connection
from s3gw.metadata.prepared import Prepared
from s3gw.metadata.schema import buckets, prefix_quotas, quota_warnings, usage, users

Kind = Literal["bucket", "prefix", "user"]
LEVELS = (80, 95, 100)  # percent
_FALLS = 5  # by so many percent it has to fall below a level before it is told again
_all_bytes = usage.c.bytes + usage.c.part_bytes + usage.c.trash_bytes
_all_objects = usage.c.versions + usage.c.trashed


class Near(NamedTuple):
    """A quota that is used by 80 % or more, or was when something was told of it (`told`: the level by mail, or 0;
    `event_level`: that of an event).

    `id` tells it apart from others of its kind, `name` is what people call it; `email` is its owner's, if confirmed.
    """

    kind: Kind
    id: str
    name: str
    email: str | None
    owner_id: str
    max_bytes: int | None
    max_objects: int | None
    used_bytes: int
    used_objects: int
    told: int
    event_level: int

    @property
    def percent(self) -> int:
        """Of bytes or objects, whatever is more."""
        of_each = ((self.used_bytes, self.max_bytes), (self.used_objects, self.max_objects))
        return max((used * 100 // most for used, most in of_each if most), default=0)

    def level_after(self, told: int) -> int:
        """That it has reached, or keeps."""
        percent = self.percent
        if percent < told <= percent + _FALLS:
            return told
        return max((level for level in LEVELS if percent >= level), default=0)


_bucket_id = cast(buckets.c.id, String)
_prefix_id = _bucket_id + literal("/") + prefix_quotas.c.prefix
# Every quota: its id, what people call it, whose it is, what there may be and what there is.
_of_buckets = (
    select(
        _bucket_id.label("id"),
        buckets.c.name.label("name"),
        buckets.c.owner_id.label("owner_id"),
        buckets.c.max_bytes.label("max_bytes"),
        buckets.c.max_objects.label("max_objects"),
        _all_bytes.label("used_bytes"),
        _all_objects.label("used_objects"),
    )
    .join_from(buckets, usage, usage.c.bucket_id == buckets.c.id)
    .where(buckets.c.deleted_at.is_(None))
)
_of_prefixes = (
    select(
        _prefix_id.label("id"),
        (buckets.c.name + literal("/") + prefix_quotas.c.prefix).label("name"),
        buckets.c.owner_id.label("owner_id"),
        *(prefix_quotas.c[name].label(name) for name in ("max_bytes", "max_objects", "used_bytes", "used_objects")),
    )
    .join_from(prefix_quotas, buckets, buckets.c.id == prefix_quotas.c.bucket_id)
    .where(buckets.c.deleted_at.is_(None))
)
_of_users = (
    select(
        users.c.id.label("id"),
        users.c.name.label("name"),
        users.c.id.label("owner_id"),
        users.c.storage_quota.label("max_bytes"),
        users.c.object_quota.label("max_objects"),
        func.sum(_all_bytes).label("used_bytes"),
        func.sum(_all_objects).label("used_objects"),
    )
    .select_from(users.join(buckets, buckets.c.owner_id == users.c.id).join(usage, usage.c.bucket_id == buckets.c.id))
    .where(users.c.deleted_at.is_(None))
    .group_by(users.c.id)
)


def _near(kind: Kind, quotas: Select[Any]) -> Select[Any]:
    of, owners = quotas.subquery("quotas"), users.alias("owners")
    told = and_(quota_warnings.c.kind == kind, quota_warnings.c.ref == of.c.id)
    is_near = or_(
        quota_warnings.c.kind.is_not(None),
        *(and_(most > 0, used >= _first_level(most)) for most, used in _limits(of)),
    )
    email = case((owners.c.email_verified_at.is_not(None), owners.c.email))
    columns = (literal(kind), of.c.id, of.c.name, email, of.c.owner_id, of.c.max_bytes, of.c.max_objects)
    levels = (func.coalesce(quota_warnings.c[name], 0) for name in ("level", "event_level"))
    return (
        select(*columns, of.c.used_bytes, of.c.used_objects, *levels)
        .select_from(of.join(owners, owners.c.id == of.c.owner_id).outerjoin(quota_warnings, told))
        .where(is_near, of.c.id > bindparam("after"))
        .order_by(of.c.id)
        .limit(bindparam("batch"))
    )


def _first_level(most: ColumnElement[int]) -> ColumnElement[int]:
    """Rounded up. A quota may be the largest number that a column holds, so none is multiplied before it is divided."""
    left = 100 - LEVELS[0]
    return most - (most // 100 * left + most % 100 * left // 100)


def _limits(of: Subquery) -> Iterator[tuple[ColumnElement[int], ColumnElement[int]]]:
    yield of.c.max_bytes, of.c.used_bytes
    yield of.c.max_objects, of.c.used_objects


_STATEMENTS: dict[Kind, Prepared] = {
    "bucket": Prepared(_near("bucket", _of_buckets)),
    "prefix": Prepared(_near("prefix", _of_prefixes)),
    "user": Prepared(_near("user", _of_users)),
}


def near(conn: Connection, kind: Kind, after: str, limit: int) -> list[Near]:
    """In the order of their ids, behind one."""
    found = (Near._make(row) for row in _STATEMENTS[kind].all(conn, after=after, batch=limit))
    return [one._replace(used_bytes=int(one.used_bytes), used_objects=int(one.used_objects)) for one in found]


def note(conn: Connection, quota: Near, level: int) -> None:
    """What was told of it by mail; 0: it isn't near its end any more."""
    _put(conn, quota, {"level": level})


def tell(conn: Connection, quota: Near, level: int) -> None:
    """By an event, where it is more than the last one told. That and the note of it are one transaction."""
    _put(conn, quota, {"event_level": level})
    if level <= quota.event_level:
        return
    bucket, _, prefix = quota.id.partition("/")
    document = {
        "kind": quota.kind,
        "name": quota.name,
        "prefix": prefix if quota.kind == "prefix" else None,
        "owner_id": quota.owner_id,
        "threshold": level,
        "used_bytes": quota.used_bytes,
        "max_bytes": quota.max_bytes,
        "used_objects": quota.used_objects,
        "max_objects": quota.max_objects,
    }
    outbox.tell_of_quota(conn, 0 if quota.kind == "user" else int(bucket), prefix, document)


def _put(conn: Connection, quota: Near, levels: dict[str, int]) -> None:
    this = (quota_warnings.c.kind == quota.kind, quota_warnings.c.ref == quota.id)
    values = {"level": 0, "event_level": 0, **levels}
    put = insert_on_conflict(quota_warnings).values(kind=quota.kind, ref=quota.id, **values)
    conn.execute(put.on_conflict_do_update(index_elements=["kind", "ref"], set_=levels))
    nothing = (quota_warnings.c.level == 0, quota_warnings.c.event_level == 0)
    conn.execute(delete(quota_warnings).where(*this, *nothing))


def forget_gone(conn: Connection) -> None:
    """What was told of quotas that there aren't any more."""
    for kind, quotas in (("bucket", _of_buckets), ("prefix", _of_prefixes), ("user", _of_users)):
        gone = quota_warnings.c.ref.not_in(select(quotas.subquery("quotas").c.id))
        conn.execute(delete(quota_warnings).where(quota_warnings.c.kind == kind, gone))
