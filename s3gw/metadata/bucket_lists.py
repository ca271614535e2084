"""SQL of what the JSON API tells of buckets, one and in lists, beside what each request needs of one (buckets.py)."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, ColumnElement, Select, and_, bindparam, func, literal_column, or_, select, true

from s3gw.errors import NoSuchBucket
from s3gw.metadata import allowed_types, cors, usage
from s3gw.metadata.buckets import Bucket, bucket_columns, owners
from s3gw.metadata.database import Connection
from s3gw.metadata.prepared import Prepared
from s3gw.metadata.schema import bucket_configurations as table
from s3gw.metadata.schema import buckets
from s3gw.metadata.schema import usage as usage_table


class Told(NamedTuple):
    """`cors` are its rules, with boto3's member names; `allowed_types` patterns of what it takes, none: all."""

    bucket: Bucket
    uuid: str
    updated_at: int
    max_bytes: int | None
    max_objects: int | None
    trash_seconds: int
    deleted_at: int | None
    restorable_until: int | None
    cors: list[dict[str, Any]]
    allowed_types: list[str]


class Scope(NamedTuple):
    """The buckets of `owner_id` and those `beside`, by id; None: all there are."""

    owner_id: str | None
    beside: Collection[int] = ()


class Wanted(NamedTuple):
    """`name` is a part of it. `is_public`: those `public`, by id, or all others; None: either."""

    name: str = ""
    owner_id: str | None = None
    is_public: bool | None = None
    public: Collection[int] = ()
    sort: str = "name"  # name | size | age
    descends: bool = False
    deleted: bool = False


_OF_TOLD = ("uuid", "updated_at", "max_bytes", "max_objects", "trash_seconds", "deleted_at", "restorable_until")
_shown_name = func.coalesce(buckets.c.deleted_name, buckets.c.name)
_of_bucket = (_shown_name if column is buckets.c.name else column for column in bucket_columns)
_columns = (*_of_bucket, *(buckets.c[name] for name in _OF_TOLD))
_select = select(*_columns).join_from(buckets, owners, buckets.c.owner_id == owners.c.id)
_documents = select(table.c.bucket_id, table.c.kind, table.c.document).where(
    or_(table.c.kind == cors.KIND, table.c.kind == allowed_types.KIND)
)
_find = Prepared(_select.where(buckets.c.id == bindparam("bucket_id")))
_documents_of = Prepared(_documents.where(table.c.bucket_id == bindparam("bucket_id")))


def find(conn: Connection, bucket_id: int) -> Told:
    """Raises NoSuchBucket."""
    row = _find.one_or_none(conn, bucket_id=bucket_id)
    if row is None:
        raise NoSuchBucket()
    return _with_documents([row], _documents_of.all(conn, bucket_id=bucket_id))[0]


def page(
    conn: Connection, scope: Scope, wanted: Wanted, after: str | None, offset: int, limit: int
) -> tuple[list[Told], int]:
    """And how many there are in all. `after` is the name that the page before ended with, where names are the order."""
    where = _where(scope, wanted)
    total = conn.execute(select(func.count()).select_from(buckets).where(where)).scalar_one()
    statement = _sized(conn) if wanted.sort == "size" else _select
    statement = statement.where(where)
    name = _name(wanted)
    if after is not None and wanted.sort == "name":
        statement = statement.where(name < after if wanted.descends else name > after)
        offset = 0
    orders = (*_orders(conn, wanted.sort), name, buckets.c.id)
    ordered = statement.order_by(*(order.desc() if wanted.descends else order.asc() for order in orders))
    return _told(conn, ordered.offset(offset).limit(limit)), int(total)


def with_rules(conn: Connection, scope: Scope) -> list[Bucket]:
    """Those that a policy or an ACL may have made public."""
    kinds = table.c.kind.in_(("Policy", "ACL"))
    has_one = select(table.c.bucket_id).where(kinds)
    statement = select(*bucket_columns).join_from(buckets, owners, buckets.c.owner_id == owners.c.id)
    rows = conn.execute(statement.where(_where(scope, Wanted()), buckets.c.id.in_(has_one))).all()
    return [Bucket._make(row) for row in rows]


def _where(scope: Scope, wanted: Wanted) -> ColumnElement[bool]:
    deleted_at = buckets.c.deleted_at
    conditions: list[ColumnElement[bool]] = [deleted_at.is_not(None) if wanted.deleted else deleted_at.is_(None)]
    if scope.owner_id is not None:
        conditions.append(or_(buckets.c.owner_id == scope.owner_id, _among(scope.beside)))
    if wanted.name:
        conditions.append(_name(wanted).contains(wanted.name.lower(), autoescape=True))
    if wanted.owner_id is not None:
        conditions.append(buckets.c.owner_id == wanted.owner_id)
    if wanted.is_public is not None:
        public = _among(wanted.public)
        conditions.append(public if wanted.is_public else ~public)
    return and_(true(), *conditions)


def _name(wanted: Wanted) -> ColumnElement[str]:
    return buckets.c.deleted_name if wanted.deleted else buckets.c.name


def _among(ids: Collection[int]) -> ColumnElement[bool]:
    """Written into the statement: databases bound how many values are bound to one."""
    return buckets.c.id.in_([literal_column(str(int(number)), BigInteger) for number in sorted(ids)])


def _orders(conn: Connection, sort: str) -> tuple[ColumnElement[Any], ...]:
    if sort == "size":
        return (_size(conn),)
    return (-buckets.c.created_at,) if sort == "age" else ()  # the youngest first


def _size(conn: Connection) -> ColumnElement[Any]:
    of_table = func.coalesce(usage_table.c.bytes + usage_table.c.part_bytes, 0)
    if conn.dialect == "sqlite":
        return of_table
    return of_table + func.coalesce(usage.unread_sizes.c.more, 0)


def _sized(conn: Connection) -> Select[Any]:
    statement = _select.outerjoin(usage_table, usage_table.c.bucket_id == buckets.c.id)
    if conn.dialect == "sqlite":
        return statement
    return statement.outerjoin(usage.unread_sizes, usage.unread_sizes.c.bucket_id == buckets.c.id)


def _told(conn: Connection, statement: Select[Any]) -> list[Told]:
    rows = conn.execute(statement).all()
    return _with_documents(rows, conn.execute(_documents.where(table.c.bucket_id.in_([row[0] for row in rows]))).all())


def _with_documents(rows: Sequence[Sequence[Any]], documents: Sequence[Sequence[Any]]) -> list[Told]:
    found = {(bucket_id, kind): json.loads(document) for bucket_id, kind, document in documents}
    width, told = len(bucket_columns), []
    for row in rows:
        rules: list[dict[str, Any]] = found.get((row[0], cors.KIND), {}).get("CORSRules", [])
        types: list[str] = found.get((row[0], allowed_types.KIND), [])
        told.append(Told._make((Bucket._make(row[:width]), *row[width:], rules, types)))
    return told
