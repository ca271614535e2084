"""SQL of how many bytes are stored, and how many of these are there for one version alone, in short steps."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import select

from s3gw.metadata import stored_contents
from s3gw.metadata.database import Connection
from s3gw.metadata.layout import INLINE
from s3gw.metadata.schema import blobs, contents
from s3gw.metadata.stored_contents import Unit

_AT_ONCE = 500  # parameters of a statement


class Step(NamedTuple):
    """`place` is where the next one goes on, None at the end. `once` are bytes that only one content names."""

    place: bytes | int | None
    rows: int
    bytes: int
    once: int
    shared: frozenset[Unit] = frozenset()  # of `once`, what one content names that several versions have


def chunks(conn: Connection, after: bytes, limit: int) -> Step:
    b = blobs.c
    wanted = select(b.digest, b.size, b.refs).where(b.digest > after).order_by(b.digest).limit(limit)
    rows = conn.execute(wanted).all()
    place = bytes(rows[-1].digest) if len(rows) == limit else None
    return Step(place, len(rows), sum(row.size for row in rows), sum(row.size for row in rows if row.refs == 1))


def in_rows(conn: Connection, after: int, limit: int) -> Step:
    """What is stored in rows, without chunks; and the chunks of contents that several versions have."""
    c = contents.c
    wanted = select(c.id, c.size, c.refs, c.form).where(c.id > after).order_by(c.id).limit(limit)
    rows = conn.execute(wanted).all()
    inline = [row for row in rows if row.form == INLINE]
    several = [row.id for row in rows if row.form != INLINE and row.refs > 1]
    units: set[Unit] = set().union(*stored_contents.units_of(conn, several).values())
    return Step(
        rows[-1].id if len(rows) == limit else None,
        len(rows),
        sum(row.size for row in inline),
        sum(row.size for row in inline if row.refs == 1),
        _named_once(conn, units),
    )


def _named_once(conn: Connection, units: set[Unit]) -> frozenset[Unit]:
    names, found = [unit.name for unit in units], set()
    for first in range(0, len(names), _AT_ONCE):
        some = select(blobs.c.digest).where(blobs.c.digest.in_(names[first : first + _AT_ONCE]), blobs.c.refs == 1)
        found |= {bytes(row.digest) for row in conn.execute(some)}
    return frozenset(unit for unit in units if unit.name in found)
