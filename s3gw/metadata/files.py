"""SQL of files: objects as the JSON API tells of them, by an id that lasts over overwrites and renames."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from sqlalchemy import func, select

from s3gw.metadata import listing
from s3gw.metadata.database import Connection
from s3gw.metadata.objects import ObjectVersion
from s3gw.metadata.schema import objects

MOST_COUNTED = 10_000


def of_keys(conn: Connection, bucket_id: int, keys: Collection[str]) -> dict[str, ObjectVersion]:
    """The current versions of those keys that have one."""
    statement = select(*objects.c).where(
        objects.c.bucket_id == bucket_id, objects.c.key.in_(keys), objects.c.is_current == 1
    )
    return {row.key: ObjectVersion._make(row) for row in conn.execute(statement).all()}


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


def count(conn: Connection, bucket_id: int, prefix: str, delimiter: str) -> int:
    """How many a list below the prefix has, those that are rolled up counted once; MOST_COUNTED + 1 for more."""
    if delimiter:
        page = listing.list_current(
            conn, bucket_id, prefix=prefix, delimiter=delimiter, after="", at_least="", limit=MOST_COUNTED
        )
        return MOST_COUNTED + 1 if page.is_truncated else len(page.rows) + len(page.common_prefixes)
    below = (objects.c.key >= prefix, objects.c.key < listing.after_prefix(prefix))
    rows = select(objects.c.key).where(objects.c.bucket_id == bucket_id, objects.c.is_current == 1, *below)
    counted = select(func.count()).select_from(rows.limit(MOST_COUNTED + 1).subquery())
    return int(conn.execute(counted).scalar_one())
