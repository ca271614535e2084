"""SQL of buckets that were deleted and can be restored, for as long as they kept their trash.

Such a bucket is in no list and found by no name: its own is free for another one. What it keeps is what was set for it
and its trash; grants, links and uploads ended with it. Nothing can be written into it (buckets.py).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import Select, bindparam, delete, exists, func, select, update
from sqlalchemy.exc import IntegrityError

from s3gw.metadata import access_rules, buckets, grants, identities, outbox, trash
from s3gw.metadata.buckets import Bucket, bucket_columns, owners
from s3gw.metadata.change import Change
from s3gw.metadata.database import Connection, now
from s3gw.metadata.prepared import Prepared
from s3gw.metadata.schema import bucket_configurations, client_tokens
from s3gw.metadata.schema import buckets as table
from s3gw.problems import Conflict, NotFound

_STEP = 100


class DeletedBucket(NamedTuple):
    """`bucket` has the name that it had."""

    bucket: Bucket
    uuid: str
    deleted_at: int
    restorable_until: int


def hide(change: Change, seconds: int) -> None:
    """A locked bucket in which nothing is but trash. A slash is in no bucket's name."""
    conn, bucket_id, at = change.conn, change.bucket_id, now(change.conn)
    conn.execute(delete(client_tokens).where(client_tokens.c.bucket_id == bucket_id))
    grants.forget_in(conn, bucket_id)
    values = {
        "name": f"deleted/{buckets.uuid_of(conn, bucket_id)}",
        "deleted_name": table.c.name,
        "deleted_at": at,
        "restorable_until": at + seconds * 1_000_000,
    }
    conn.execute(update(table).where(table.c.id == bucket_id).values(values))


_select = (
    select(*bucket_columns, table.c.uuid, table.c.deleted_at, table.c.restorable_until, table.c.deleted_name)
    .join_from(table, owners, table.c.owner_id == owners.c.id)
    .where(table.c.deleted_at.is_not(None))
)


def find(conn: Connection, bucket_uuid: str) -> DeletedBucket | None:
    found = _found(conn, _select.where(table.c.uuid == bucket_uuid))
    return found[0] if found else None


def list_all(conn: Connection, owner_id: str | None) -> list[DeletedBucket]:
    """Of one owner, or of all; the newest first."""
    found = _select if owner_id is None else _select.where(table.c.owner_id == owner_id)
    return _found(conn, found.order_by(table.c.deleted_at.desc()))


def _found(conn: Connection, statement: Select[Any]) -> list[DeletedBucket]:
    width = len(bucket_columns)
    return [
        DeletedBucket(Bucket._make(row[:width])._replace(name=row.deleted_name), *row[width:-1])
        for row in conn.execute(statement)
    ]


def restore(change: Change, name: str) -> None:
    """Raises NotFound where it isn't there any more, and Conflict where the name is taken."""
    values = {"name": name, "deleted_name": None, "deleted_at": None, "restorable_until": None}
    this = table.c.id == change.bucket_id, table.c.deleted_at.is_not(None)
    if buckets.find(change.conn, name) is not None:
        raise Conflict("another bucket has the name: give another one")
    try:
        restored = change.conn.execute(update(table).where(*this).values(values)).rowcount
    except IntegrityError:  # made by somebody else since we looked
        raise Conflict("another bucket has the name: give another one") from None
    if not restored:
        raise NotFound("there is no such bucket")
    buckets.touch(change.conn, change.bucket_id, change.now)
    change.record("bucket.restore", None, buckets.told(change.conn, name))


_expired = Prepared(
    select(table.c.id)
    .where(table.c.restorable_until < bindparam("before"))
    .order_by(table.c.restorable_until)
    .limit(1)
    .with_for_update(skip_locked=True)
)
_of_owner = Prepared(
    select(table.c.id)
    .where(table.c.deleted_at.is_not(None), table.c.owner_id == bindparam("owner_id"))
    .limit(1)
    .with_for_update(skip_locked=True)
)


def drop_expired(conn: Connection, before: int) -> bool:
    """A step of dropping for good what can't be restored any more; False: there is nothing left to do."""
    return _drop(conn, _expired.values(conn, before=before))


def drop_of(conn: Connection, owner_id: str) -> bool:
    """As `drop_expired`, of all of a user, whether it has expired or not."""
    return _drop(conn, _of_owner.values(conn, owner_id=owner_id))


def _drop(conn: Connection, ids: list[int]) -> bool:
    for bucket_id in ids:
        dropped = trash.drop_oldest(conn, bucket_id, _STEP)
        for noted in dropped:
            outbox.count(conn, bucket_id, noted.changed.key, noted.more)
        if not dropped:
            buckets.delete_bucket(conn, bucket_id)
    return bool(ids)


def drop_for_good(change: Change) -> bool:
    """As `drop_expired`, of the bucket of the change. Raises NotFound."""
    this = exists().where(table.c.id == change.bucket_id, table.c.deleted_at.is_not(None))
    if not change.conn.execute(select(this)).scalar_one():
        raise NotFound("there is no such bucket")
    return _drop(change.conn, [change.bucket_id])


def give(conn: Connection, before: str, after: str) -> int:
    """All of a user's to another one, who takes his place in their ACLs too; how many."""
    this = table.c.owner_id == before, table.c.deleted_at.is_not(None)
    configuration = bucket_configurations.c
    canonical = identities.canonical_id_of(conn, before), identities.canonical_id_of(conn, after)
    of_these = configuration.kind == "ACL", configuration.bucket_id.in_(select(table.c.id).where(*this))
    named = update(bucket_configurations).where(*of_these)
    conn.execute(named.values(document=func.replace(configuration.document, *canonical)))
    values = {"owner_id": after, "rules_revision": access_rules.new_revision()}  # processes may know their ACLs
    return conn.execute(update(table).where(*this).values(values)).rowcount
