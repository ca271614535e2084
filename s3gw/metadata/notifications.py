"""SQL of buckets that tell events: their configurations, as the outbox's reader needs them."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import select

from s3gw.metadata.buckets import owners
from s3gw.metadata.database import Connection
from s3gw.metadata.outbox import WITHIN, Span
from s3gw.metadata.prepared import Prepared
from s3gw.metadata.schema import bucket_configurations, buckets, changes

KIND = "NotificationConfiguration"


class Configured(NamedTuple):
    """A bucket and its configuration, as JSON."""

    bucket_id: int
    name: str
    region: str
    owner_id: str
    owner_canonical_id: str
    document: str


_columns = (
    buckets.c.id,
    buckets.c.name,
    buckets.c.region,
    owners.c.id,
    owners.c.canonical_id,
    bucket_configurations.c.document,
)
_configured = {
    dialect: Prepared(
        select(*_columns)
        .join_from(bucket_configurations, buckets, buckets.c.id == bucket_configurations.c.bucket_id)
        .join(owners, owners.c.id == buckets.c.owner_id)
        .where(bucket_configurations.c.kind == KIND, buckets.c.id.in_(select(changes.c.bucket_id).where(within)))
    )
    for dialect, within in WITHIN.items()
}


def configured_within(conn: Connection, span: Span) -> dict[int, Configured]:
    """Of the buckets in which something changed there, those that tell events, by their ids."""
    rows = _configured[conn.dialect].all(conn, **span.parameters(conn))
    return {row[0]: Configured._make(row) for row in rows}
