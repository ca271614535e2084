"""SQL that reports read: the buckets that one is about, one after the other, and so many versions at a time.

Buckets come in the order of their owners, so that an owner's are whole when the next one's begin.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from sqlalchemy import Select, select, tuple_

from s3gw.metadata import listing
from s3gw.metadata.database import Connection
from s3gw.metadata.schema import buckets, contents, objects, users
from s3gw.metadata.usage import sums_of

_DEFAULT_TYPE = "binary/octet-stream"  # as S3 tells it of an object that was put without one


class Bucket(NamedTuple):
    """`owner` is the name of the user whose it is."""

    owner_id: str
    id: int
    uuid: str
    name: str
    owner: str

    @property
    def place(self) -> tuple[str, int]:
        return self.owner_id, self.id


class Version(NamedTuple):
    """`digest` is that of its content, where it was asked for."""

    key: str
    sequence: int
    size: int
    is_current: bool
    last_modified: int
    type: str
    digest: bytes


class Page(NamedTuple):
    """`place` is where the next one begins; None: there is none. Of delete markers nothing is told."""

    versions: list[Version]
    place: tuple[str, int] | None


def next_bucket(
    conn: Connection, bucket_id: str | None, owner_id: str | None, after: tuple[str, int] | None
) -> Bucket | None:
    """The one behind `after` of those of a user; None: of all. With a `bucket_id` (a UUID) only that one."""
    columns = (buckets.c.owner_id, buckets.c.id, buckets.c.uuid, buckets.c.name, users.c.name.label("owner"))
    wanted: Select[Any] = (
        select(*columns)
        .join_from(buckets, users, users.c.id == buckets.c.owner_id)
        .where(buckets.c.deleted_at.is_(None))
    )
    if bucket_id is not None:
        wanted = wanted.where(buckets.c.uuid == bucket_id)
    if owner_id is not None:
        wanted = wanted.where(buckets.c.owner_id == owner_id)
    if after is not None:
        wanted = wanted.where(tuple_(buckets.c.owner_id, buckets.c.id) > tuple_(*after))
    row = conn.execute(wanted.order_by(buckets.c.owner_id, buckets.c.id).limit(1)).one_or_none()
    return None if row is None else Bucket._make(row)


def expected(conn: Connection, bucket_id: str | None, owner_id: str | None) -> int:
    """About how many versions there are in the buckets that `next_bucket` gives."""
    wanted = select(buckets.c.id).where(buckets.c.deleted_at.is_(None))
    if bucket_id is not None:
        wanted = wanted.where(buckets.c.uuid == bucket_id)
    if owner_id is not None:
        wanted = wanted.where(buckets.c.owner_id == owner_id)
    return sums_of(conn, wanted).versions


def page(conn: Connection, bucket_id: int, prefix: str, place: tuple[str, int], limit: int, with_digests: bool) -> Page:
    """Versions behind a key and sequence (("", 0) at the beginning), in their order."""
    o, (key, sequence) = objects.c, place
    columns = (o.key, o.sequence, o.size, o.is_current, o.last_modified, o.headers, o.content_id)
    wanted: Select[Any] = select(*columns).where(o.bucket_id == bucket_id)
    if prefix:
        wanted = wanted.where(o.key >= prefix, o.key < listing.after_prefix(prefix))
    if key:  # the first is what an index is used for
        wanted = wanted.where(o.key >= key, tuple_(o.key, o.sequence) > tuple_(key, sequence))
    rows = conn.execute(wanted.order_by(o.key, o.sequence).limit(limit)).all()
    there = [row for row in rows if row.content_id is not None]
    digests = _digests(conn, {row.content_id for row in there}) if with_digests else {}
    versions = [
        Version(
            row.key,
            row.sequence,
            row.size,
            bool(row.is_current),
            row.last_modified,
            _type_of(row.headers),
            digests.get(row.content_id, b""),
        )
        for row in there
    ]
    return Page(versions, (rows[-1].key, rows[-1].sequence) if len(rows) == limit else None)


def _digests(conn: Connection, ids: set[int]) -> dict[int, bytes]:
    rows = conn.execute(select(contents.c.id, contents.c.digest).where(contents.c.id.in_(ids))).all()
    return {row.id: bytes(row.digest) for row in rows}


def _type_of(headers: str | None) -> str:
    told = str(json.loads(headers).get("ContentType", _DEFAULT_TYPE)) if headers else _DEFAULT_TYPE
    return told.partition(";")[0].strip().lower()
