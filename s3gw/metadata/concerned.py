"""SQL that finds whose bytes some chunks are: versions of objects, parts of uploads, files in the trash.

No index leads from a chunk to those who need it, as every PUT would pay for it. So all contents are walked along, then
all that has one; so many rows at a time, in the order of their keys, so that each step is short.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, NamedTuple

from sqlalchemy import func, select, tuple_

from s3gw.metadata.database import Connection
from s3gw.metadata.layout import MANIFEST, PARTS, extents_of, parts_of
from s3gw.metadata.schema import buckets, contents, objects, parts, trash, uploads

_IDS = 2000  # of contents that one step looks at
_BYTES = 4 * 1024 * 1024  # of layouts that it reads, or one; that of 10 000 parts has half a megabyte

Place = tuple[str | int, ...]
Digests = frozenset[bytes]
_NONE: Digests = frozenset()


class Concerned(NamedTuple):
    """`told` is what names it: its kind, key, and what else there is of bucket id, version, upload, part and time."""

    content_id: int
    bucket_id: int
    told: dict[str, Any]


def newest_content(conn: Connection) -> int:
    return conn.execute(select(func.max(contents.c.id))).scalar_one() or 0


def contents_of(
    conn: Connection, digests: Collection[bytes], known: dict[int, Digests], after: int
) -> tuple[dict[int, Digests], int]:
    """Those of the next contents that consist of one of the chunks, and where to go on. A part list is younger than
    its children, which are `known` when its turn comes.
    """
    c, wanted, last = contents.c, frozenset(digests), _last_of_step(conn, after)
    among = (c.id > after, c.id <= last, c.form.in_((MANIFEST, PARTS)))
    found: dict[int, Digests] = {}
    for row in conn.execute(select(c.id, c.form, c.layout).where(*among).order_by(c.id)):
        layout = bytes(row.layout)
        if row.form == MANIFEST:
            has = wanted.intersection(extent.digest for extent in extents_of(layout))
        else:
            children = [part.content_id for part in parts_of(layout)]
            has = frozenset[bytes]().union(*(found.get(child) or known.get(child, _NONE) for child in children))
        if has:
            found[row.id] = has
    return found, last


def _last_of_step(conn: Connection, after: int) -> int:
    c, size = contents.c, 0
    among = (c.id > after, c.id <= after + _IDS, c.form.in_((MANIFEST, PARTS)))
    last = after
    for row in conn.execute(select(c.id, func.length(c.layout).label("size")).where(*among).order_by(c.id)):
        size += row.size
        if size > _BYTES and last > after:
            return last
        last = row.id
    return after + _IDS


Walk = Callable[[Connection, Place, int], tuple[list[Concerned], Place | None]]


def _versions(conn: Connection, place: Place, limit: int) -> tuple[list[Concerned], Place | None]:
    o = objects.c
    behind = o.bucket_id >= place[0], tuple_(o.bucket_id, o.key, o.sequence) > tuple_(*place)
    found = select(o.bucket_id, o.key, o.sequence, o.version_id, o.content_id).where(*behind)
    rows = conn.execute(found.order_by(o.bucket_id, o.key, o.sequence).limit(limit)).all()
    told = [
        Concerned(row.content_id, row.bucket_id, {"kind": "version", "key": row.key, "version_id": row.version_id})
        for row in rows
        if row.content_id is not None
    ]
    return told, tuple(rows[-1][:3]) if len(rows) == limit else None


def _parts(conn: Connection, place: Place, limit: int) -> tuple[list[Concerned], Place | None]:
    p, u = parts.c, uploads.c
    found = select(p.upload_id, p.part_number, p.content_id, u.bucket_id, u.key).join_from(
        parts, uploads, u.upload_id == p.upload_id
    )
    found = found.where(p.upload_id >= place[0], tuple_(p.upload_id, p.part_number) > tuple_(*place))
    rows = conn.execute(found.order_by(p.upload_id, p.part_number).limit(limit)).all()
    told = [
        Concerned(
            row.content_id,
            row.bucket_id,
            {"kind": "part", "key": row.key, "upload_id": row.upload_id, "part_number": row.part_number},
        )
        for row in rows
    ]
    return told, tuple(rows[-1][:2]) if len(rows) == limit else None


def _trash(conn: Connection, place: Place, limit: int) -> tuple[list[Concerned], Place | None]:
    t = trash.c
    found = select(t.id, t.bucket_id, t.key, t.content_id).where(t.id > place[0], t.content_id.is_not(None))
    rows = conn.execute(found.order_by(t.id).limit(limit)).all()
    told = [Concerned(row.content_id, row.bucket_id, {"kind": "trash", "key": row.key}) for row in rows]
    return told, (rows[-1].id,) if len(rows) == limit else None


# Each walk with its first place.
WALKS: tuple[tuple[Walk, Place], ...] = ((_versions, (0, "", -(2**63))), (_parts, ("", 0)), (_trash, (0,)))


def names_of_buckets(conn: Connection, ids: Collection[int]) -> dict[int, str]:
    """Those of deleted ones as they were."""
    b = buckets.c
    rows = conn.execute(select(b.id, func.coalesce(b.deleted_name, b.name).label("name")).where(b.id.in_(ids)))
    return {row.id: row.name for row in rows}
