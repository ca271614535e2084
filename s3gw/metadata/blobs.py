"""SQL of blobs: which chunk lies where, and how many contents count on it.

A row exists => its bytes are durable at its location. `refs` counts the contents whose manifest names the digest,
each once. Locations are "<name of the writing process>-<counter>" and never used again. Files are unlinked elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import bindparam, delete, null, select, update
from sqlalchemy.dialects.postgresql import insert as insert_on_conflict  # SQLite has the same

from s3gw.metadata import pins
from s3gw.metadata.database import Connection
from s3gw.metadata.prepared import Prepared
from s3gw.metadata.schema import blobs


class Blob(NamedTuple):
    digest: bytes
    location: str
    size: int
    refs: int


_this_digest = blobs.c.digest == bindparam("blob_digest")
_find = Prepared(select(blobs.c.digest, blobs.c.location, blobs.c.size, blobs.c.refs).where(_this_digest))
_count = Prepared(update(blobs).where(_this_digest).values(refs=blobs.c.refs + 1, released_at=null()))
_uncount = Prepared(update(blobs).where(_this_digest, blobs.c.refs > 0).values(refs=blobs.c.refs - 1))
_unmarked = Prepared(
    select(blobs.c.digest).where(blobs.c.refs == 0, blobs.c.released_at.is_(None)).limit(bindparam("batch"))
)
_mark = Prepared(
    update(blobs)
    .where(_this_digest, blobs.c.refs == 0, blobs.c.released_at.is_(None))
    .values(released_at=bindparam("epoch"))
)
_repoint = Prepared(
    update(blobs)
    .where(_this_digest, blobs.c.location == bindparam("bad_location"))
    .values(location=bindparam("new_location"), refs=blobs.c.refs + 1, released_at=null())
)
_is_named = Prepared(select(blobs.c.digest).where(blobs.c.location == bindparam("a_location")))
_insert_or_count = Prepared(
    insert_on_conflict(blobs)
    .values({name: bindparam(name) for name in ("digest", "location", "size")} | {"refs": 1})
    .on_conflict_do_update(index_elements=[blobs.c.digest], set_={"refs": blobs.c.refs + 1, "released_at": null()})
)
_is_released = (blobs.c.refs == 0, blobs.c.released_at < bindparam("floor"), pins.BLOB_IS_FREE)
_released = select(blobs.c.digest).where(*_is_released).order_by(blobs.c.released_at).limit(bindparam("batch"))
# The conditions stand twice: PostgreSQL looks at the outer ones again when another transaction has changed the row.
_delete_released = Prepared(
    delete(blobs).where(*_is_released, blobs.c.digest.in_(_released.scalar_subquery())).returning(blobs.c.location)
)


def find(conn: Connection, digest: bytes) -> Blob | None:
    row = _find.one_or_none(conn, blob_digest=digest)
    return None if row is None else Blob._make(row)


def locate(conn: Connection, digests: Iterable[bytes]) -> dict[bytes, Blob]:
    """The rows of these digests; one that has none is missing."""
    found = (find(conn, digest) for digest in set(digests))
    return {blob.digest: blob for blob in found if blob is not None}


def page_after(conn: Connection, digest: bytes, limit: int) -> list[Blob]:
    """Of all chunks, in the order of their digests."""
    found = select(blobs.c.digest, blobs.c.location, blobs.c.size, blobs.c.refs).where(blobs.c.digest > digest)
    rows = conn.execute(found.order_by(blobs.c.digest).limit(limit))
    return [Blob(bytes(row.digest), row.location, row.size, row.refs) for row in rows]


def count(conn: Connection, digest: bytes) -> bool:
    """Count on a stored chunk; False when its row is gone."""
    return _count.run(conn, blob_digest=digest) == 1


def insert_or_count(conn: Connection, digest: bytes, location: str, size: int) -> None:
    """Register a durable chunk, or count on the one that another registered first (ours stays unnamed then)."""
    _insert_or_count.run(conn, digest=digest, location=location, size=size)


def repoint(conn: Connection, digest: bytes, bad_location: str, new_location: str) -> bool:
    """Count on a chunk and put good bytes in the place of bad ones; False when the row names other bytes by now."""
    return _repoint.run(conn, blob_digest=digest, bad_location=bad_location, new_location=new_location) == 1


def uncount(conn: Connection, digests: Iterable[bytes]) -> None:
    """Lower each count by one; at zero the row is left to the reaper."""
    for digest in sorted(set(digests)):  # one order, or two transactions could deadlock
        _uncount.run(conn, blob_digest=digest)


def unnamed(conn: Connection, locations: Iterable[str]) -> list[str]:
    """Those of the locations that no row names."""
    return [location for location in locations if _is_named.one_or_none(conn, a_location=location) is None]


def unmarked(conn: Connection, limit: int) -> list[bytes]:
    """Chunks that nothing counts on and that the reaper hasn't marked."""
    return _unmarked.values(conn, batch=limit)


def mark(conn: Connection, digests: Iterable[bytes], epoch: int) -> None:
    """Note in which epoch the reaper saw them released; counting on one again removes the mark."""
    for digest in sorted(digests):
        _mark.run(conn, blob_digest=digest, epoch=epoch)


def delete_blobs_released_before(conn: Connection, floor: int, limit: int) -> Sequence[str]:
    """Delete rows marked in an epoch before `floor` and not pinned. Gives the locations to unlink after the commit."""
    return _delete_released.values(conn, floor=floor, batch=limit)


def process_of(location: str) -> str:
    """The process that wrote there."""
    return location.rpartition("-")[0]
