"""SQL of the trash: what was deleted or overwritten in a bucket that keeps trash and no version of it.

A row is one of `objects` that was moved here, content and all, until it is brought back, dropped because a quota needs
room, or its time is over. It is in no list and no read of S3's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import BindParameter, ColumnElement, Select, Text, bindparam, delete, func, insert, select, update

from s3gw.metadata import contents, outbox
from s3gw.metadata.database import Connection
from s3gw.metadata.outbox import ChangedObject, Noted
from s3gw.metadata.prepared import Prepared
from s3gw.metadata.schema import buckets, trash
from s3gw.metadata.usage import Usage


class Trashed(NamedTuple):
    """`deleted_by` is the id of a user, "" of nobody. The content is counted by this row."""

    id: int
    bucket_id: int
    deleted_at: int
    deleted_by: str
    expires_at: int
    is_overwritten: int
    key: str
    size: int
    etag: str
    last_modified: int
    owner_id: str
    storage_class: str
    content_id: int | None
    parts_count: int | None
    checksum_algorithm: str | None
    checksum_type: str | None
    checksum: str | None
    headers: str | None
    user_metadata: str | None
    tags: str | None
    acl: str | None
    file_id: bytes | None

    @property
    def gone(self) -> Noted:
        """What the outbox is told when it isn't in the trash any more."""
        return Noted(ChangedObject("counted", self.key), Usage(trash_bytes=-self.size, trashed=-1))


# Seconds for which what was overwritten is kept at least where a bucket holds what is new until that is known to be
# clean; then the bucket's own time counts.
KEPT_UNTIL_CLEAN = 30 * 86_400
_MOST_OVERWRITTEN = 100  # dropped at once
_columns = tuple(trash.c[name] for name in Trashed._fields)
_OF_OBJECT = Trashed._fields[Trashed._fields.index("key") :]
_insert = Prepared(insert(trash).values({name: bindparam(name) for name in Trashed._fields[1:]}))
_delete = Prepared(delete(trash).where(trash.c.id == bindparam("trash_id")))
_of_file = (
    select(*_columns)
    .where(trash.c.bucket_id == bindparam("bucket_id"), trash.c.file_id == bindparam("file_id"))
    .order_by(trash.c.id.desc())
)
_find = Prepared(_of_file.limit(1))
_newest_of_key = Prepared(
    select(*_columns)
    .where(trash.c.bucket_id == bindparam("bucket_id"), trash.c.key == bindparam("key"))
    .order_by(trash.c.id.desc())
    .limit(1)
)
_find_one = Prepared(_of_file.where(trash.c.id == bindparam("trash_id")))
_of_key = Prepared(
    _of_file.where(trash.c.key == bindparam("key")).limit(bindparam("batch")).with_for_update(skip_locked=True)
)
_oldest = Prepared(
    select(*_columns)
    .where(trash.c.bucket_id == bindparam("bucket_id"), trash.c.id > bindparam("after"))
    .order_by(trash.c.id)
    .limit(bindparam("batch"))
    .with_for_update(skip_locked=True)
)
_expired = Prepared(
    select(*_columns)
    .where(trash.c.expires_at < bindparam("before"))
    .order_by(trash.c.expires_at)
    .limit(bindparam("batch"))
    .with_for_update(skip_locked=True)
)
_set_expiry = Prepared(
    update(trash).where(trash.c.id == bindparam("trash_id")).values(expires_at=bindparam("new_expiry"))
)
_overwritten = Prepared(
    select(*_columns, buckets.c.trash_seconds)
    .join_from(trash, buckets, buckets.c.id == trash.c.bucket_id)
    .where(
        trash.c.bucket_id == bindparam("bucket_id"),
        trash.c.file_id == bindparam("file_id"),
        trash.c.key == bindparam("key"),
        trash.c.is_overwritten == 1,
    )
    .order_by(trash.c.id.desc())
    .limit(bindparam("batch"))
    .with_for_update(skip_locked=True, of=trash)
)

_in_deleted = trash.c.bucket_id.in_(
    select(buckets.c.id).where(buckets.c.owner_id == bindparam("owner_id"), buckets.c.deleted_at.is_not(None))
)
_of_deleted = Prepared(
    select(*_columns)
    .where(_in_deleted, trash.c.id > bindparam("after"))
    .order_by(trash.c.id)
    .limit(bindparam("batch"))
    .with_for_update(skip_locked=True)
)

_prefix: BindParameter[str] = bindparam("prefix", type_=Text)


def _sum_of(rows: Select[Any]) -> Prepared:
    """Of the first of these rows: of all the trash it would be a long look."""
    first = rows.order_by(trash.c.id).limit(bindparam("batch")).subquery()
    below = func.substr(first.c.key, 1, func.length(_prefix)) == _prefix
    return Prepared(select(func.coalesce(func.sum(first.c.size), 0), func.count()).select_from(first).where(below))


_sized = select(trash.c.size, trash.c.key)
_sum_of_bucket = _sum_of(_sized.where(trash.c.bucket_id == bindparam("bucket_id")))
_sum_of_deleted = _sum_of(_sized.where(_in_deleted))
_walk = Prepared(
    select(trash.c.id, trash.c.owner_id)
    .where(trash.c.id > bindparam("after"))
    .order_by(trash.c.id)
    .limit(bindparam("batch"))
)
_owned = Prepared(
    select(*_columns)
    .where(trash.c.id == bindparam("trash_id"), trash.c.owner_id == bindparam("owner_id"))
    .with_for_update()
)


def put(
    conn: Connection,
    row: Mapping[str, Any],
    *,
    deleted_at: int,
    deleted_by: str,
    seconds: int,
    is_overwritten: bool,
) -> None:
    """`row` was taken out of `objects`; it is kept for so many seconds."""
    _insert.run(
        conn,
        bucket_id=row["bucket_id"],
        deleted_at=deleted_at,
        deleted_by=deleted_by,
        expires_at=deleted_at + seconds * 1_000_000,
        is_overwritten=int(is_overwritten),
        **{name: row[name] for name in _OF_OBJECT},
    )


def newest_of_key(conn: Connection, bucket_id: int, key: str) -> Trashed | None:
    row = _newest_of_key.one_or_none(conn, bucket_id=bucket_id, key=key)
    return None if row is None else Trashed._make(row)


def find(conn: Connection, bucket_id: int, file_id: bytes, trash_id: int | None = None) -> Trashed | None:
    """The newest of a file, or the one that is named."""
    if trash_id is None:
        row = _find.one_or_none(conn, bucket_id=bucket_id, file_id=file_id)
    else:
        row = _find_one.one_or_none(conn, bucket_id=bucket_id, file_id=file_id, trash_id=trash_id)
    return None if row is None else Trashed._make(row)


def list_after(conn: Connection, bucket_id: int, before: int | None, limit: int) -> list[Trashed]:
    """What is in it, the newest first, behind the id `before`."""
    found = select(*_columns).where(*_among(bucket_id, before, "")).order_by(trash.c.id.desc())
    return [Trashed._make(row) for row in conn.execute(found.limit(limit)).all()]


def look(
    conn: Connection, bucket_id: int, before: int | None, limit: int, prefix: str, offset: int, looked_at: int
) -> tuple[list[Trashed], int | None]:
    """Of the next `looked_at` in it those whose keys begin with the prefix, as `list_after`; and the id of the last
    that was looked at, None where there are no more.
    """
    ids = select(trash.c.id).where(*_among(bucket_id, before, "")).order_by(trash.c.id.desc())
    last = conn.execute(ids.offset(looked_at - 1).limit(1)).scalar_one_or_none()
    found = select(*_columns).where(*_among(bucket_id, before, prefix)).order_by(trash.c.id.desc())
    if last is not None:
        found = found.where(trash.c.id >= last)
    return [Trashed._make(row) for row in conn.execute(found.offset(offset).limit(limit)).all()], last


def count(conn: Connection, bucket_id: int, prefix: str, most: int) -> int:
    """How many there are below a prefix, as far as they are among the `most` that came last."""
    recent = select(trash.c.key).where(trash.c.bucket_id == bucket_id).order_by(trash.c.id.desc()).limit(most)
    keys = recent.subquery()
    below = func.substr(keys.c.key, 1, len(prefix)) == prefix
    return int(conn.execute(select(func.count()).select_from(keys).where(below)).scalar_one())


def _among(bucket_id: int, before: int | None, prefix: str) -> list[ColumnElement[bool]]:
    conditions = [trash.c.bucket_id == bucket_id]
    if before is not None:
        conditions.append(trash.c.id < before)
    if prefix:
        conditions.append(func.substr(trash.c.key, 1, len(prefix)) == prefix)
    return conditions


def of_key(conn: Connection, bucket_id: int, file_id: bytes, key: str, limit: int) -> list[Trashed]:
    """Of a file what was deleted or overwritten under a key, locked."""
    rows = _of_key.all(conn, bucket_id=bucket_id, file_id=file_id, key=key, batch=limit)
    return [Trashed._make(row) for row in rows]


def settle_overwritten(conn: Connection, bucket_id: int, key: str, file_id: bytes | None) -> list[Noted]:
    """What was kept of a file at least until what overwrote it was found clean goes where the bucket keeps no trash,
    and has the bucket's time elsewhere. What the outbox is to be told.
    """
    this = {"bucket_id": bucket_id, "key": key, "file_id": file_id}
    found = [(Trashed._make(row[:-1]), int(row[-1])) for row in _overwritten.all(conn, **this, batch=_MOST_OVERWRITTEN)]
    for each, seconds in found:
        expires_at = each.deleted_at + seconds * 1_000_000
        if seconds and expires_at < each.expires_at:
            _set_expiry.run(conn, trash_id=each.id, new_expiry=expires_at)
    return drop(conn, [each for each, seconds in found if not seconds])


def take(conn: Connection, found: Trashed) -> bool:
    """Out of the trash, its content's count passing on to the caller; False: somebody else did."""
    return _delete.run(conn, trash_id=found.id) == 1


def drop(conn: Connection, found: Sequence[Trashed]) -> list[Noted]:
    """For good, those that are still there; what the outbox is to be told."""
    dropped = [each for each in found if take(conn, each)]
    for each in dropped:
        if each.content_id is not None:
            contents.release(conn, each.content_id)
    return [each.gone for each in dropped]


def walk(conn: Connection, after: int, limit: int) -> list[tuple[int, str]]:
    """Of any bucket, behind an id: the ids, and whose they were."""
    return [(int(row[0]), str(row[1])) for row in _walk.all(conn, after=after, batch=limit)]


def lock_owned(conn: Connection, trash_ids: Sequence[int], owner_id: str) -> list[Trashed]:
    """Those that are there and are that user's."""
    found = (_owned.one_or_none(conn, trash_id=trash_id, owner_id=owner_id) for trash_id in trash_ids)
    return [Trashed._make(row) for row in found if row is not None]


def drop_oldest(conn: Connection, bucket_id: int, limit: int) -> list[Noted]:
    """For good; what the outbox is to be told."""
    return drop(conn, lock_oldest(conn, bucket_id, 0, limit))


def lock_oldest(conn: Connection, bucket_id: int, after: int, limit: int) -> list[Trashed]:
    """Of a bucket, behind an id."""
    return [Trashed._make(row) for row in _oldest.all(conn, bucket_id=bucket_id, after=after, batch=limit)]


def lock_of_deleted(conn: Connection, owner_id: str, after: int, limit: int) -> list[Trashed]:
    """As `lock_oldest`, of the buckets of a user that were deleted."""
    return [Trashed._make(row) for row in _of_deleted.all(conn, owner_id=owner_id, after=after, batch=limit)]


def oldest_below(conn: Connection, bucket_id: int, prefix: str, most: int) -> Usage:
    """What is below a prefix among so many that came first."""
    return _usage(_sum_of_bucket.all(conn, bucket_id=bucket_id, prefix=prefix, batch=most))


def oldest_of_deleted(conn: Connection, owner_id: str, most: int) -> Usage:
    """So many that came first, of the buckets of a user that were deleted."""
    return _usage(_sum_of_deleted.all(conn, owner_id=owner_id, prefix="", batch=most))


def _usage(rows: list[tuple[Any, ...]]) -> Usage:
    size, count = rows[0]
    return Usage(trash_bytes=int(size), trashed=int(count))


def drop_expired(conn: Connection, before: int, limit: int) -> int:
    """What is over, of any bucket, counted here; how many."""
    return drop_counted(conn, [Trashed._make(row) for row in _expired.all(conn, before=before, batch=limit)])


def drop_counted(conn: Connection, found: Sequence[Trashed]) -> int:
    """As `drop`, of those that are locked, counted here; how many."""
    dropped = drop(conn, found)
    for each, noted in zip(found, dropped, strict=True):
        outbox.count(conn, each.bucket_id, noted.changed.key, noted.more)
    return len(dropped)
