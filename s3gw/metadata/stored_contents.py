"""SQL that walks along what a bucket keeps (versions, parts of uploads, the trash) and along the contents of these.

So many rows at a time, in the order of their keys, so that each step is short.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator
from itertools import islice
from typing import NamedTuple, TypeVar

from sqlalchemy import select, tuple_

from s3gw.metadata.database import Connection
from s3gw.metadata.layout import MANIFEST, PARTS, extents_of, parts_of
from s3gw.metadata.schema import blobs, buckets, contents, objects, parts, trash, uploads

T = TypeVar("T")

_AT_ONCE = 500  # parameters of a statement


class Kept(NamedTuple):
    """`place` is where the next step goes on; of a part and of the trash `type` is None."""

    place: tuple[str | int, ...]
    key: str
    size: int
    is_current: bool
    type: str | None
    content_id: int


Walk = Callable[[Connection, int, tuple[str | int, ...], int], list[Kept]]


def _versions(conn: Connection, bucket_id: int, place: tuple[str | int, ...], limit: int) -> list[Kept]:
    o, (key, sequence) = objects.c, place
    behind = o.key >= key, tuple_(o.key, o.sequence) > tuple_(key, sequence)  # the first is what an index is used for
    found = select(o.key, o.sequence, o.size, o.is_current, o.headers, o.content_id)
    found = found.where(o.bucket_id == bucket_id, o.content_id.is_not(None), *(behind if key else ()))
    return [
        Kept((row.key, row.sequence), row.key, row.size, bool(row.is_current), _type_of(row.headers), row.content_id)
        for row in conn.execute(found.order_by(o.key, o.sequence).limit(limit))
    ]


def _type_of(headers: str | None) -> str:
    return str(json.loads(headers or "{}").get("ContentType", "binary/octet-stream"))


def _parts(conn: Connection, bucket_id: int, place: tuple[str | int, ...], limit: int) -> list[Kept]:
    p = parts.c
    found = (
        select(p.upload_id, p.part_number, p.size, p.content_id, uploads.c.key)
        .join_from(parts, uploads, uploads.c.upload_id == p.upload_id)
        .where(uploads.c.bucket_id == bucket_id, tuple_(p.upload_id, p.part_number) > tuple_(*place))
        .order_by(p.upload_id, p.part_number)
        .limit(limit)
    )
    return [
        Kept((row.upload_id, row.part_number), row.key, row.size, False, None, row.content_id)
        for row in conn.execute(found)
    ]


def _trash(conn: Connection, bucket_id: int, place: tuple[str | int, ...], limit: int) -> list[Kept]:
    t = trash.c
    found = (
        select(t.id, t.key, t.size, t.content_id)
        .where(t.bucket_id == bucket_id, t.id > place[0], t.content_id.is_not(None))
        .order_by(t.id)
        .limit(limit)
    )
    return [Kept((row.id,), row.key, row.size, False, None, row.content_id) for row in conn.execute(found)]


# Each walk with its first place.
WALKS: tuple[tuple[Walk, tuple[str | int, ...]], ...] = ((_versions, ("", 0)), (_parts, ("", 0)), (_trash, (0,)))


class Unit(NamedTuple):
    """What is stored once, however often it is named: a chunk by its digest, bytes in a row by the row's id."""

    name: bytes
    size: int


def units_of(conn: Connection, content_ids: Collection[int]) -> dict[int, set[Unit]]:
    """Of each content that there is."""
    children: dict[int, set[int]] = {content_id: {content_id} for content_id in content_ids}
    units: dict[int, set[Unit]] = {content_id: set() for content_id in content_ids}
    while rows := _contents(conn, {child for found in children.values() for child in found}):
        digests = {extent.digest for row in rows.values() if row.form == MANIFEST for extent in extents_of(row.layout)}
        sizes = _sizes(conn, digests)
        own = {content_id: _own_units(row, sizes) for content_id, row in rows.items()}
        for content_id, found in children.items():
            units[content_id].update(*(own[child] for child in found if child in own))
            lists = [rows[child] for child in found if child in rows and rows[child].form == PARTS]
            children[content_id] = {part.content_id for row in lists for part in parts_of(row.layout)}
    return units


class _Row(NamedTuple):
    id: int
    form: int
    size: int
    layout: bytes


def _own_units(row: _Row, sizes: dict[bytes, int]) -> set[Unit]:
    if row.form == PARTS:
        return set()
    if row.form == MANIFEST:
        return {Unit(one.digest, sizes[one.digest]) for one in extents_of(row.layout) if one.digest in sizes}
    return {Unit(row.id.to_bytes(8, "big"), row.size)}


def _contents(conn: Connection, ids: Collection[int]) -> dict[int, _Row]:
    c = contents.c
    found = {}
    for some in _batches(ids):
        for row in conn.execute(select(c.id, c.form, c.size, c.layout).where(c.id.in_(some))):
            found[row.id] = _Row(row.id, row.form, row.size, bytes(row.layout))
    return found


def _sizes(conn: Connection, digests: Collection[bytes]) -> dict[bytes, int]:
    found: dict[bytes, int] = {}
    for some in _batches(digests):
        rows = conn.execute(select(blobs.c.digest, blobs.c.size).where(blobs.c.digest.in_(some)))
        found |= {bytes(row.digest): row.size for row in rows}
    return found


def _batches(values: Collection[T]) -> Iterator[list[T]]:
    left = iter(values)
    while some := list(islice(left, _AT_ONCE)):
        yield some


def buckets_of(conn: Connection, owner_id: str | None) -> list[int]:
    """Those of a user; of None all there are."""
    found = select(buckets.c.id).order_by(buckets.c.id)
    return list(conn.execute(found if owner_id is None else found.where(buckets.c.owner_id == owner_id)).scalars())
