"""SQL of what every signed request stands on: its access key and its bucket, in one statement.

On PostgreSQL a statement is a round trip, which costs more than all that this one does.
"""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import bindparam, literal, select

from s3gw.metadata.buckets import Bucket, bucket_columns, owners
from s3gw.metadata.database import Connection
from s3gw.metadata.identities import AccessKey, access_key_columns, accounts
from s3gw.metadata.prepared import Prepared
from s3gw.metadata.schema import access_keys, buckets, users

_row = select(literal(1).label("one")).subquery("one_row")  # which is there whatever is found
# Tables alone are joined: SQLite would first put the rows of a subquery into a table of its own, which costs more than
# finding them.
_find = Prepared(
    select(*access_key_columns, *bucket_columns).select_from(
        _row.outerjoin(access_keys, access_keys.c.access_key_id == bindparam("access_key_id"))
        .outerjoin(users, users.c.id == access_keys.c.user_id)
        .outerjoin(accounts, accounts.c.id == users.c.account_owner_id)
        .outerjoin(buckets, buckets.c.name == bindparam("name"))
        .outerjoin(owners, owners.c.id == buckets.c.owner_id)
    )
)
_WIDTH = len(AccessKey._fields)


class Found(NamedTuple):
    access_key: AccessKey | None
    bucket: Bucket | None


def key_and_bucket(conn: Connection, access_key_id: str, bucket: str | None) -> Found:
    """`bucket` is None for a request to the service."""
    (row,) = _find.all(conn, access_key_id=access_key_id, name=bucket)
    key = None if row[0] is None else AccessKey._make(row[:_WIDTH])
    return Found(key, None if row[_WIDTH] is None else Bucket._make(row[_WIDTH:]))
