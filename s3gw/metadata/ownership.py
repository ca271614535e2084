"""SQL of whose objects and uploads are: finding those of a user, whatever bucket they are in, and giving them away.

Nothing is indexed by its owner, so they are found by walking along a bucket's versions in the order of the primary key,
in steps that only read. Whoever is named in an ACL as the owner before is named in it as the owner then.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import bindparam, func, or_, select, tuple_, update

from s3gw.metadata import identities
from s3gw.metadata.change import Change
from s3gw.metadata.database import Connection
from s3gw.metadata.prepared import Prepared
from s3gw.metadata.schema import buckets, objects, trash, uploads


class Owned(NamedTuple):
    """A version or delete marker. `owner_id` is the user who wrote it, or was given it since."""

    key: str
    sequence: int
    version_id: str
    is_delete_marker: int
    owner_id: str


_step = Prepared(
    select(*(objects.c[name] for name in Owned._fields))
    .where(
        objects.c.bucket_id == bindparam("bucket_id"),
        tuple_(objects.c.key, objects.c.sequence) > tuple_(bindparam("key"), bindparam("rank")),
    )
    .order_by(objects.c.key, objects.c.sequence)
    .limit(bindparam("batch"))
)


def versions_after(conn: Connection, bucket_id: int, after: Owned | None, limit: int) -> list[Owned]:
    """Of a bucket, whosever they are, in the order of their keys."""
    key, sequence = ("", 0) if after is None else (after.key, after.sequence)
    return [Owned._make(row) for row in _step.all(conn, bucket_id=bucket_id, key=key, rank=sequence, batch=limit)]


def buckets_after(conn: Connection, bucket_id: int, limit: int, owner_id: str | None = None) -> list[int]:
    """Ids of buckets, ascending; of one owner, or of all."""
    statement = select(buckets.c.id).where(buckets.c.id > bucket_id).order_by(buckets.c.id).limit(limit)
    if owner_id is not None:
        statement = statement.where(buckets.c.owner_id == owner_id)
    return list(conn.execute(statement).scalars().all())


def owner_of(conn: Connection, bucket_id: int) -> str | None:
    """The user's id; None of a bucket that is gone."""
    return conn.execute(select(buckets.c.owner_id).where(buckets.c.id == bucket_id)).scalar_one_or_none()


def uploads_of(conn: Connection, user_id: str, limit: int) -> list[str]:
    """The ids of those that it owns or has begun, in any bucket."""
    own = or_(uploads.c.owner_id == user_id, uploads.c.initiator_id == user_id)
    return list(conn.execute(select(uploads.c.upload_id).where(own).limit(limit)).scalars().all())


def give_versions(change: Change, versions: list[Owned], before: str, after: str) -> int:
    """Those that are `before`'s still become `after`'s; how many."""
    change.lock_bucket()
    canonical = identities.canonical_id_of(change.conn, before), identities.canonical_id_of(change.conn, after)
    given = 0
    for version in versions:
        change.require_key(version.key)
        this = (
            objects.c.bucket_id == change.bucket_id,
            objects.c.key == version.key,
            objects.c.sequence == version.sequence,
            objects.c.owner_id == before,
        )
        values = {"owner_id": after, "acl": func.replace(objects.c.acl, *canonical)}
        given += change.conn.execute(update(objects).where(*this).values(values)).rowcount
    return given


def give_trash(conn: Connection, trash_ids: Sequence[int], before: str, after: str) -> int:
    """As `give_versions`, of what is in the trash, of any bucket."""
    canonical = identities.canonical_id_of(conn, before), identities.canonical_id_of(conn, after)
    values = {"owner_id": after, "acl": func.replace(trash.c.acl, *canonical)}
    this = (trash.c.id.in_(trash_ids), trash.c.owner_id == before)
    return conn.execute(update(trash).where(*this).values(values)).rowcount


def give_upload(conn: Connection, upload_id: str, before: str, after: str) -> int:
    """Who has it may complete it, or abort it."""
    canonical = identities.canonical_id_of(conn, before), identities.canonical_id_of(conn, after)
    given = 0
    for column in (uploads.c.owner_id, uploads.c.initiator_id):
        values = {column.name: after, "acl": func.replace(uploads.c.acl, *canonical)}
        this = (uploads.c.upload_id == upload_id, column == before)
        given += conn.execute(update(uploads).where(*this).values(values)).rowcount
    return min(given, 1)
