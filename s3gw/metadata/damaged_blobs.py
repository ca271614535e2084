"""SQL of damaged chunks: what scrubbing found, who needs them, and what became of them.

A row is of one file, by its location, which is never used again. It counts for as long as `blobs` names that location
and it isn't healed. An upload of the same content puts its own bytes in the place of bad ones (contents.py), in one
transaction with `heal`. The files themselves are kept by content/filesystem.py.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, and_, bindparam, case, func, literal, or_, select, update
from sqlalchemy.dialects.postgresql import insert as insert_on_conflict  # SQLite has the same

from s3gw.metadata import audit
from s3gw.metadata import blobs as stored_blobs
from s3gw.metadata.audit import Actor
from s3gw.metadata.blobs import Blob
from s3gw.metadata.database import Connection, now
from s3gw.metadata.prepared import Prepared
from s3gw.metadata.schema import blobs, damaged_blobs, settings

DAMAGED, HEALED, UNNEEDED = "damaged", "healed", "unneeded"
_SCRUBBING = Actor("", "", "job")
_LAST_RUN = "last_scrub"
_d = damaged_blobs.c

_is_named = and_(blobs.c.digest == _d.digest, blobs.c.location == _d.location)
_is_open = and_(_d.healed_at.is_(None), blobs.c.location == _d.location)
_state: ColumnElement[str] = case(
    (_is_open, literal(DAMAGED)),
    (or_(_d.healed_at.is_not(None), blobs.c.location.is_not(None)), literal(HEALED)),
    else_=literal(UNNEEDED),
)


def _counted(condition: ColumnElement[bool]) -> Select[Any]:
    joined = damaged_blobs.join(blobs, blobs.c.digest == _d.digest, isouter=True)
    return select(func.count()).select_from(joined).where(condition)


_open = Prepared(_counted(_is_open))


class DamagedBlob(NamedTuple):
    """`state`: damaged; healed, by the same content that was stored again or by a disk that reads it again; or
    unneeded, as nothing that is left consists of it. `names` are of the first objects that need it (concerned.py).
    """

    location: str
    digest: bytes
    size: int
    fault: str
    detail: str
    is_kept: bool
    found_at: int
    healed_at: int | None
    named_at: int | None
    needed_by: int | None
    names: list[dict[str, Any]]
    state: str


class Stored(NamedTuple):
    """A chunk to look at."""

    digest: bytes
    was_damaged: bool


class Found(NamedTuple):
    """A chunk that is stored already; `is_damaged`: as far as scrubbing knows."""

    blob: Blob
    is_damaged: bool


_is_known = Prepared(select(_d.location).where(_d.location == bindparam("a_location"), _d.healed_at.is_(None)))


def find_stored(conn: Connection, digest: bytes) -> Found | None:
    blob = stored_blobs.find(conn, digest)
    return None if blob is None else Found(blob, _is_known.one_or_none(conn, a_location=blob.location) is not None)


def page_after(conn: Connection, digest: bytes, limit: int) -> list[Stored]:
    """Of all chunks, in the order of their digests."""
    found = select(blobs.c.digest, _d.location).join_from(
        blobs, damaged_blobs, and_(blobs.c.location == _d.location, _d.healed_at.is_(None)), isouter=True
    )
    rows = conn.execute(found.where(blobs.c.digest > digest).order_by(blobs.c.digest).limit(limit))
    return [Stored(bytes(row.digest), row.location is not None) for row in rows]


def note(conn: Connection, digest: bytes, location: str, size: int, fault: str, detail: str, is_kept: bool) -> bool:
    """That a chunk is bad; False when that is known, or when its row names another file by now."""
    is_here = (blobs.c.digest == digest, blobs.c.location == location)
    if conn.execute(select(blobs.c.size).where(*is_here).with_for_update()).one_or_none() is None:
        return False
    values = {"digest": digest, "size": size, "fault": fault, "detail": detail, "is_kept": int(is_kept)}
    values |= {"found_at": now(conn), "healed_at": None, "named_at": None}
    statement = insert_on_conflict(damaged_blobs).values(location=location, **values)
    statement = statement.on_conflict_do_update(
        index_elements=[_d.location], set_=values, where=_d.healed_at.is_not(None)
    )
    if conn.execute(statement.returning(_d.location)).one_or_none() is None:
        if is_kept:  # perhaps it couldn't be before
            conn.execute(update(damaged_blobs).where(_d.location == location).values(is_kept=1))
        return False
    told = {"location": location, "fault": fault, "detail": detail, "is_kept": is_kept}
    audit.record(conn, _SCRUBBING, "chunk.damaged", "chunk", digest.hex(), None, told)
    return True


def heal(conn: Connection, location: str) -> None:
    """What lies there is replaced, or can be read again. Nothing happens where nobody knew that it was bad."""
    conn.execute(
        update(damaged_blobs).where(_d.location == location, _d.healed_at.is_(None)).values(healed_at=now(conn))
    )


def settle(conn: Connection) -> None:
    """What was deleted for good, and then stored again, is healed too."""
    elsewhere = select(blobs.c.digest).where(blobs.c.digest == _d.digest, blobs.c.location != _d.location)
    conn.execute(update(damaged_blobs).where(_d.healed_at.is_(None), elsewhere.exists()).values(healed_at=now(conn)))


def to_name(conn: Connection, before: int | None, after: str, limit: int) -> dict[str, bytes]:
    """Digests by location: those that are damaged and of which nobody has looked, or not since `before`, whose they
    are.
    """
    is_due = _d.named_at.is_(None) if before is None else or_(_d.named_at.is_(None), _d.named_at < before)
    found = select(_d.location, _d.digest).join_from(damaged_blobs, blobs, _is_named)
    found = found.where(_d.healed_at.is_(None), is_due, _d.location > after).order_by(_d.location).limit(limit)
    return {row.location: bytes(row.digest) for row in conn.execute(found)}


def name(conn: Connection, location: str, needed_by: int, names: Sequence[Mapping[str, Any]]) -> None:
    values = {"named_at": now(conn), "needed_by": needed_by, "names": json.dumps(list(names))}
    conn.execute(update(damaged_blobs).where(_d.location == location).values(values))


def _found() -> Select[Any]:
    joined = damaged_blobs.join(blobs, blobs.c.digest == _d.digest, isouter=True)
    return select(*damaged_blobs.c, _state.label("state")).select_from(joined)


def page(conn: Connection, states: Collection[str], offset: int, limit: int) -> tuple[list[DamagedBlob], int]:
    """The newest first, and how many there are."""
    chosen = _state.in_(states)
    rows = conn.execute(_found().where(chosen).order_by(_d.found_at.desc(), _d.location).offset(offset).limit(limit))
    return [_read(row) for row in rows], _count(conn, chosen)


def find(conn: Connection, location: str) -> DamagedBlob | None:
    row = conn.execute(_found().where(_d.location == location)).one_or_none()
    return None if row is None else _read(row)


def count(conn: Connection) -> int:
    """How many are damaged now."""
    return int(_open.value(conn))


def _count(conn: Connection, condition: ColumnElement[bool]) -> int:
    return int(conn.execute(_counted(condition)).scalar_one())


def _read(row: Any) -> DamagedBlob:
    told = DamagedBlob(*row)
    return told._replace(digest=bytes(told.digest), is_kept=bool(told.is_kept), names=json.loads(row.names or "[]"))


def note_run(conn: Connection, told: Mapping[str, Any]) -> None:
    """What the last scrubbing that reached its end had to tell."""
    statement = insert_on_conflict(settings).values(name=_LAST_RUN, value=json.dumps(told))
    conn.execute(statement.on_conflict_do_update(index_elements=[settings.c.name], set_={"value": json.dumps(told)}))


def last_run(conn: Connection) -> dict[str, Any] | None:
    value = conn.execute(select(settings.c.value).where(settings.c.name == _LAST_RUN)).scalar_one_or_none()
    found: dict[str, Any] | None = None if value is None else json.loads(value)
    return found
