"""SQL of what every signed request stands on: its access key and its bucket, in one statement.

On PostgreSQL a statement is a round trip, which costs more than all that this one does.
"""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import literal, select, true

from s3gw.metadata import buckets, identities
from s3gw.metadata.buckets import Bucket
from s3gw.metadata.database import Connection
from s3gw.metadata.identities import AccessKey
from s3gw.metadata.prepared import Prepared

_row = select(literal(1).label("one")).subquery("one_row")  # which is there whatever is found
_key = identities.select_access_key.subquery("found_key")
_bucket = buckets.select_by_name.subquery("found_bucket")
_find = Prepared(select(*_key.c, *_bucket.c).select_from(_row.outerjoin(_key, true()).outerjoin(_bucket, true())))
_WIDTH = len(AccessKey._fields)


class Found(NamedTuple):
    access_key: AccessKey | None
    bucket: Bucket | None


def key_and_bucket(conn: Connection, access_key_id: str, bucket: str | None) -> Found:
    """`bucket` is None for a request to the service."""
    (row,) = _find.all(conn, access_key_id=access_key_id, name=bucket)
    of_key, of_bucket = row[:_WIDTH], row[_WIDTH:]  # of an outer join: each has a row's columns, or nothing but NULL
    return Found(AccessKey._make(of_key) if any(of_key) else None, Bucket._make(of_bucket) if any(of_bucket) else None)
