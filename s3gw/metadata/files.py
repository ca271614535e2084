"""SQL of files: objects as the JSON API tells of them, by an id that lasts over overwrites and renames."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from sqlalchemy import Select, Text, bindparam, func, select, true
from sqlalchemy.dialects.postgresql import ARRAY

from s3gw.metadata import listing, trash
from s3gw.metadata.database import Connection
from s3gw.metadata.objects import ObjectVersion, find_file, latest
from s3gw.metadata.prepared import Prepared
from s3gw.metadata.schema import objects

MOST_COUNTED = 10_000


# On PostgreSQL each key is looked for by itself, because of the LIMIT. By IN it reads the whole bucket where it takes
# that for small, as it does of rows that it has no statistics of yet.
_keys = func.unnest(bindparam("keys", type_=ARRAY(Text))).table_valued("key").render_derived()
_at_key = (
    select(*objects.c)
    .where(objects.c.bucket_id == bindparam("bucket_id"), objects.c.key == _keys.c.key, objects.c.is_current == 1)
    .limit(1)
    .lateral()
)
_of_keys = Prepared(select(*_at_key.c).join_from(_keys, _at_key, true()))


def of_keys(conn: Connection, bucket_id: int, keys: Collection[str]) -> dict[str, ObjectVersion]:
    """The current versions of those keys that have one."""
    if conn.dialect == "postgresql":
        rows: Sequence[Any] = _of_keys.all(conn, bucket_id=bucket_id, keys=list(keys))
    else:
        at_keys = objects.c.bucket_id == bucket_id, objects.c.key.in_(keys), objects.c.is_current == 1
        rows = conn.execute(select(*objects.c).where(*at_keys)).all()
    found = map(ObjectVersion._make, rows)
    return {version.key: version for version in found}


def last_key(conn: Connection, bucket_id: int, file_id: bytes) -> str | None:
    """Where a file is, or was when it was deleted; None: it is in this bucket no more."""
    found = find_file(conn, file_id) or find_hidden(conn, bucket_id, file_id) or trash.find(conn, bucket_id, file_id)
    return found.key if found is not None and found.bucket_id == bucket_id else None


def find_hidden(conn: Connection, bucket_id: int, file_id: bytes) -> ObjectVersion | None:
    """The delete marker on top of a file that has one."""
    markers = select(*objects.c).where(objects.c.file_id == file_id, objects.c.is_delete_marker == 1)
    row = conn.execute(markers.order_by(objects.c.sequence).limit(1)).one_or_none()
    marker = None if row is None else ObjectVersion._make(row)
    if marker is None or marker.bucket_id != bucket_id or latest(conn, bucket_id, marker.key) != marker:
        return None
    return marker


def newest_hidden(conn: Connection, bucket_id: int, file_id: bytes) -> ObjectVersion | None:
    """Of a file that is hidden by a delete marker, the last version that has a content."""
    marker = find_hidden(conn, bucket_id, file_id)
    if marker is None:
        return None
    newest = _of_file_at(bucket_id, marker.key, file_id).where(objects.c.is_delete_marker == 0)
    row = conn.execute(newest.order_by(objects.c.sequence).limit(1)).one_or_none()
    return None if row is None else ObjectVersion._make(row)


def versions(
    conn: Connection, bucket_id: int, key: str, file_id: bytes, after: int | None, limit: int, offset: int = 0
) -> list[ObjectVersion]:
    """Of a file under its key, delete markers too, the newest first; behind the sequence `after`."""
    statement = _of_file_at(bucket_id, key, file_id)
    if after is not None:
        statement = statement.where(objects.c.sequence > after)
    rows = conn.execute(statement.order_by(objects.c.sequence).offset(offset).limit(limit)).all()
    return [ObjectVersion._make(row) for row in rows]


def oldest_versions(conn: Connection, bucket_id: int, key: str, file_id: bytes, limit: int) -> list[ObjectVersion]:
    statement = _of_file_at(bucket_id, key, file_id).order_by(objects.c.sequence.desc())
    return [ObjectVersion._make(row) for row in conn.execute(statement.limit(limit)).all()]


def count_versions(conn: Connection, bucket_id: int, key: str, file_id: bytes) -> int:
    """MOST_COUNTED + 1 for more."""
    rows = _of_file_at(bucket_id, key, file_id).limit(MOST_COUNTED + 1).subquery()
    return int(conn.execute(select(func.count()).select_from(rows)).scalar_one())


def _of_file_at(bucket_id: int, key: str, file_id: bytes) -> Select[Any]:
    return select(*objects.c).where(
        objects.c.bucket_id == bucket_id, objects.c.key == key, objects.c.file_id == file_id
    )


def created_at(conn: Connection, versions: Iterable[ObjectVersion]) -> dict[bytes, int]:
    """When each file came to be, in microseconds, by its id.

    An id tells the millisecond in which it was made. One that the migration made tells nothing: then it is the time of
    the oldest version that is still there. No file is younger than what is in it, as an id may be that was made later.
    """
    found = {version.file_id: version for version in versions if version.file_id is not None}
    created = {file_id: _moment_of(file_id) for file_id in found}
    timeless = [file_id for file_id, moment in created.items() if not moment]
    if timeless:
        oldest = select(objects.c.file_id, func.min(objects.c.last_modified).label("oldest")).where(
            objects.c.file_id.in_(timeless)
        )
        created.update({row.file_id: row.oldest for row in conn.execute(oldest.group_by(objects.c.file_id)).all()})
    return {
        file_id: min(moment, found[file_id].last_modified) if moment else found[file_id].last_modified
        for file_id, moment in created.items()
    }


def _moment_of(file_id: bytes) -> int:
    """0 for what isn't a UUIDv7 (RFC 9562 section 5.7)."""
    return int.from_bytes(file_id[:6], "big") * 1000 if file_id[6] >> 4 == 7 else 0


def of_ids(conn: Connection, bucket_id: int, file_ids: Collection[bytes]) -> list[ObjectVersion]:
    """The current versions of those that are there, in the order of their keys."""
    statement = select(*objects.c).where(
        objects.c.file_id.in_(file_ids), objects.c.bucket_id == bucket_id, objects.c.is_current == 1
    )
    found = [ObjectVersion._make(row) for row in conn.execute(statement).all()]
    return sorted(found, key=lambda version: version.key.encode())


def count(conn: Connection, bucket_id: int, prefix: str, delimiter: str, most: int = MOST_COUNTED) -> int:
    """How many a list below the prefix has, those that are rolled up counted once; `most` + 1 for more."""
    if delimiter:
        page = listing.list_current(
            conn, bucket_id, prefix=prefix, delimiter=delimiter, after="", at_least="", limit=most
        )
        return most + 1 if page.is_truncated else len(page.rows) + len(page.common_prefixes)
    below = (objects.c.key >= prefix, objects.c.key < listing.after_prefix(prefix))
    rows = select(objects.c.key).where(objects.c.bucket_id == bucket_id, objects.c.is_current == 1, *below)
    counted = select(func.count()).select_from(rows.limit(most + 1).subquery())
    return int(conn.execute(counted).scalar_one())
