"""SQL of what every signed request stands on: its access key and its bucket, in one statement; and for reads of an
object on PostgreSQL, where a statement is a round trip, its row as well, and for a put what that will ask.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from sqlalchemy import and_, bindparam, literal, select

from s3gw.metadata import objects as objects_of
from s3gw.metadata import read_objects
from s3gw.metadata.buckets import Bucket, bucket_columns, owners
from s3gw.metadata.database import Connection, Database, Foreseen
from s3gw.metadata.identities import AccessKey, access_key_columns, accounts
from s3gw.metadata.prepared import Prepared
from s3gw.metadata.read_objects import Scanned
from s3gw.metadata.schema import access_keys, buckets, objects, users

# What is asked with key and bucket where a statement is a round trip: the row of the object, that with its content, or
# what a put of it will ask.
Ahead = Literal["", "object", "content", "put"]
_MOST_BUCKETS = 4096  # whose ids are kept

_row = select(literal(1).label("one")).subquery("one_row")  # which is there whatever is found
# Tables alone are joined: SQLite would first put the rows of a subquery into a table of its own, which costs more than
# finding them.
_key_and_bucket = (
    _row.outerjoin(access_keys, access_keys.c.access_key_id == bindparam("access_key_id"))
    .outerjoin(users, users.c.id == access_keys.c.user_id)
    .outerjoin(accounts, accounts.c.id == users.c.account_owner_id)
    .outerjoin(buckets, buckets.c.name == bindparam("name"))
    .outerjoin(owners, owners.c.id == buckets.c.owner_id)
)
_columns = (*access_key_columns, *bucket_columns)
_find = Prepared(select(*_columns).select_from(_key_and_bucket))
_and_object = _key_and_bucket.outerjoin(
    objects,
    and_(
        objects.c.bucket_id == buckets.c.id,
        objects.c.key == bindparam("key"),
        objects.c.is_current == 1,
    ),
)
_find_with_state = Prepared(select(*_columns, *read_objects.COLUMNS).select_from(read_objects.joined(_and_object)))
_find_with_content = Prepared(
    select(*_columns, *read_objects.COLUMNS_WITH_CONTENT).select_from(read_objects.joined(_and_object))
)
_KEY_WIDTH = len(AccessKey._fields)
_WIDTH = len(_columns)


class Found(NamedTuple):
    """`object` is that of `key_bucket_and_object`; None where there is none, and where a delete marker hides it.
    `foreseen` is that of `key_bucket_and_put`.
    """

    access_key: AccessKey | None
    bucket: Bucket | None
    object: Scanned | None = None
    foreseen: tuple[Foreseen, ...] = ()


def key_and_bucket(conn: Connection, access_key_id: str, bucket: str | None) -> Found:
    """`bucket` is None for a request to the service."""
    (row,) = _find.all(conn, access_key_id=access_key_id, name=bucket)
    return Found(*_split(row))


def key_bucket_and_object(conn: Connection, access_key_id: str, bucket: str, key: str, with_content: bool) -> Found:
    """With the current version of the object, and what the virus scanner says of its content."""
    statement = _find_with_content if with_content else _find_with_state
    (row,) = statement.all(conn, access_key_id=access_key_id, name=bucket, key=key)
    return Found(*_split(row), None if row[_WIDTH] is None else read_objects.scanned(row[_WIDTH:]))


def key_bucket_and_put(conn: Connection, access_key_id: str, bucket: str, bucket_id: int, key: str) -> Found:
    """With what a put of an object will ask, if that is the bucket's id."""
    named = {"access_key_id": access_key_id, "name": bucket}
    foreseen = objects_of.foresee_put(conn, bucket_id, key, (_find, named))
    (row,) = _find.all(conn, **named)
    access_key, found = _split(row)
    return Found(access_key, found, None, foreseen if found is not None and found.id == bucket_id else ())


class Resolver:
    """Asks what a request stands on. It remembers the ids of buckets, to ask by before they are read; what was asked by
    a wrong one is thrown away. Used on the event loop only.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._bucket_ids: dict[str, int] = {}

    async def find(self, access_key_id: str, bucket: str | None, key: str | None, ahead: Ahead) -> Found:
        if bucket is None or key is None or not ahead:
            return await self._database.read_shared(key_and_bucket, access_key_id, bucket)
        if ahead != "put":
            named = access_key_id, bucket, key, ahead == "content"
            return await self._database.read(key_bucket_and_object, *named)
        bucket_id = self._bucket_ids.get(bucket, 0)
        found = await self._database.read(key_bucket_and_put, access_key_id, bucket, bucket_id, key)
        if found.bucket is not None and found.bucket.id != bucket_id:
            if len(self._bucket_ids) >= _MOST_BUCKETS:
                self._bucket_ids.clear()
            self._bucket_ids[bucket] = found.bucket.id
        return found


def _split(row: tuple[Any, ...]) -> tuple[AccessKey | None, Bucket | None]:
    key = None if row[0] is None else AccessKey._make(row[:_KEY_WIDTH])
    return key, None if row[_KEY_WIDTH] is None else Bucket._make(row[_KEY_WIDTH:_WIDTH])
