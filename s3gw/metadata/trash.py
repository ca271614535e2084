"""SQL of the trash: what was deleted or overwritten in a bucket that keeps trash and no version of it.

A row is one of `objects` that was moved here, content and all, until it is brought back, dropped because a quota needs
room, or its time is over. It is in no list and no read of S3's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from sqlalchemy import bindparam, delete, insert, select

from s3gw.metadata import contents, outbox
from s3gw.metadata.database import Connection
from s3gw.metadata.outbox import ChangedObject, Noted
from s3gw.metadata.prepared import Prepared
from s3gw.metadata.schema import trash
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


_columns = tuple(trash.c[name] for name in Trashed._fields)
_OF_OBJECT = Trashed._fields[Trashed._fields.index("key") :]
_insert = Prepared(insert(trash).values({name: bindparam(name) for name in Trashed._fields[1:]}))
_delete = Prepared(delete(trash).where(trash.c.id == bindparam("trash_id")))
_find = Prepared(
    select(*_columns)
    .where(trash.c.bucket_id == bindparam("bucket_id"), trash.c.file_id == bindparam("file_id"))
    .order_by(trash.c.id.desc())
    .limit(1)
)
_oldest = Prepared(
    select(*_columns)
    .where(trash.c.bucket_id == bindparam("bucket_id"))
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


def find(conn: Connection, bucket_id: int, file_id: bytes) -> Trashed | None:
    """The newest of a file."""
    row = _find.one_or_none(conn, bucket_id=bucket_id, file_id=file_id)
    return None if row is None else Trashed._make(row)


def list_after(conn: Connection, bucket_id: int, before: int | None, limit: int) -> list[Trashed]:
    """What is in it, the newest first, behind the id `before`."""
    found = select(*_columns).where(trash.c.bucket_id == bucket_id)
    if before is not None:
        found = found.where(trash.c.id < before)
    return [Trashed._make(row) for row in conn.execute(found.order_by(trash.c.id.desc()).limit(limit)).all()]


def take(conn: Connection, found: Trashed) -> bool:
    """Out of the trash, its content's count passing on to the caller; False: somebody else did."""
    return _delete.run(conn, trash_id=found.id) == 1


def drop_oldest(conn: Connection, bucket_id: int, limit: int) -> list[Noted]:
    """For good; what the outbox is to be told."""
    return _drop(conn, _oldest.all(conn, bucket_id=bucket_id, batch=limit))


def drop_expired(conn: Connection, before: int, limit: int) -> int:
    """What is over, of any bucket, counted here; how many."""
    dropped = _drop(conn, rows := _expired.all(conn, before=before, batch=limit))
    for row, noted in zip(rows, dropped, strict=True):
        outbox.count(conn, Trashed._make(row).bucket_id, noted.changed.key, noted.more)
    return len(dropped)


def _drop(conn: Connection, rows: list[tuple[Any, ...]]) -> list[Noted]:
    dropped = [Trashed._make(row) for row in rows]
    for each in dropped:
        _delete.run(conn, trash_id=each.id)
        if each.content_id is not None:
            contents.release(conn, each.content_id)
    return [each.gone for each in dropped]
