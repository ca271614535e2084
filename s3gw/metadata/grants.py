"""SQL of grants: who was given something of a bucket. What a grant allows is access/grants.py's.

Whoever is concerned gets a new revision in the same transaction (access_rules.py): the user, or the members of the
group. The row of the bucket, and that of a group, is locked first: a member that is just being added misses nothing.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import ColumnElement, Select, delete, func, insert, or_, select, update

from s3gw.metadata import access_rules, buckets, identity_policies, listing
from s3gw.metadata.database import Connection, now
from s3gw.metadata.schema import buckets as buckets_table
from s3gw.metadata.schema import grants as table
from s3gw.metadata.schema import group_members, groups, users
from s3gw.problems import Conflict, Fault, Invalid, NotFound

MOST_OF_BUCKET = 100  # to one user or group in one bucket: each request of theirs there looks at these
MOST_OF_GRANTEE = 1000  # to one user or group: they are in memory
LONGEST_PATH = 1024  # bytes, as of a key


class Grantee(NamedTuple):
    """A user or a group."""

    kind: str
    id: str
    name: str


class Grant(NamedTuple):
    """`path` is the prefix or the key; times in microseconds since the epoch."""

    id: str
    bucket_id: int
    bucket_uuid: str
    bucket: str
    resource_type: str
    path: str
    user_id: str | None
    group_id: str | None
    grantee: str
    permission: str
    granted_by: str
    expires_at: int | None
    created_at: int


class Page(NamedTuple):
    grants: list[Grant]
    total: int


_select: Select[tuple[object, ...]] = select(
    table.c.id,
    table.c.bucket_id,
    buckets_table.c.uuid,
    buckets_table.c.name,
    table.c.resource_type,
    table.c.path,
    table.c.user_id,
    table.c.group_id,
    func.coalesce(users.c.name, groups.c.name),
    table.c.permission,
    table.c.granted_by,
    table.c.expires_at,
    table.c.created_at,
).select_from(
    table.join(buckets_table, buckets_table.c.id == table.c.bucket_id)
    .outerjoin(users, users.c.id == table.c.user_id)
    .outerjoin(groups, groups.c.id == table.c.group_id)
)


def find_grantee(conn: Connection, column: str, value: str) -> Grantee:
    """`column`: user_id, username or group_id. Raises NotFound, for a user that was deleted too."""
    if column == "group_id":
        found = conn.execute(select(groups.c.id, groups.c.name).where(groups.c.id == value)).one_or_none()
    else:
        wanted = users.c.id if column == "user_id" else users.c.name
        active = select(users.c.id, users.c.name).where(wanted == value, users.c.deleted_at.is_(None))
        found = conn.execute(active).one_or_none()
    if found is None:
        raise NotFound(f"there is no such {'group' if column == 'group_id' else 'user'}")
    return Grantee("group" if column == "group_id" else "user", found.id, found.name)


def account_of_group(conn: Connection, group_id: str) -> str | None:
    return conn.execute(select(groups.c.account_owner_id).where(groups.c.id == group_id)).scalar_one_or_none()


def create(
    conn: Connection,
    bucket_id: int,
    grantee: Grantee,
    *,
    resource_type: str,
    path: str,
    permission: str,
    granted_by: str,
    expires_at: int | None,
) -> Grant:
    """Raises Conflict where something was granted to the same there before, and Invalid."""
    buckets.lock_exclusive(conn, bucket_id)
    owner_id = conn.execute(select(buckets_table.c.owner_id).where(buckets_table.c.id == bucket_id)).scalar_one()
    if grantee.id == owner_id:
        raise Invalid(f"the bucket is {grantee.name}'s own")
    if len(path.encode(errors="replace")) > LONGEST_PATH or "\0" in path:
        raise Invalid(
            f"a prefix or key has at most {LONGEST_PATH} bytes, and no NUL", faults=(Fault("prefix", "is none"),)
        )
    if expires_at is not None and expires_at <= now(conn):
        raise Invalid("it would have expired already")
    _renew(conn, grantee.kind, grantee.id)
    find_grantee(conn, f"{grantee.kind}_id", grantee.id)  # deleted while this waited for its row?
    _refuse_more(conn, bucket_id, grantee, resource_type, path)
    grant_id = str(uuid.uuid4())
    values = {"id": grant_id, "bucket_id": bucket_id, "resource_type": resource_type, "path": path}
    values |= {"permission": permission, "granted_by": granted_by, "expires_at": expires_at, "created_at": now(conn)}
    conn.execute(insert(table).values({**values, f"{grantee.kind}_id": grantee.id}))
    return find(conn, bucket_id, grant_id)


def _refuse_more(conn: Connection, bucket_id: int, grantee: Grantee, resource_type: str, path: str) -> None:
    of_grantee = _of(grantee.id)
    rows = conn.execute(select(table.c.bucket_id, table.c.resource_type, table.c.path).where(of_grantee)).all()
    if (bucket_id, resource_type, path) in map(tuple, rows):
        raise Conflict(f"{grantee.kind} {grantee.name} was granted something there already: change that grant")
    if len(rows) >= MOST_OF_GRANTEE:
        raise Conflict(f"a {grantee.kind} has {MOST_OF_GRANTEE} grants at most")
    if sum(row.bucket_id == bucket_id for row in rows) >= MOST_OF_BUCKET:
        raise Conflict(f"a {grantee.kind} has {MOST_OF_BUCKET} grants at most in one bucket")


def find(conn: Connection, bucket_id: int | None, grant_id: str) -> Grant:
    """Raises NotFound; in any bucket for None."""
    statement = _select.where(table.c.id == grant_id)
    if bucket_id is not None:
        statement = statement.where(table.c.bucket_id == bucket_id)
    row = conn.execute(statement).one_or_none()
    if row is None:
        raise NotFound("there is no such grant")
    return Grant._make(row)


def of_grantee(conn: Connection, bucket_id: int, grantee_id: str) -> list[Grant]:
    statement = _select.where(table.c.bucket_id == bucket_id, _of(grantee_id))
    return [Grant._make(row) for row in conn.execute(statement.order_by(table.c.created_at, table.c.id)).all()]


def reach(conn: Connection, bucket_id: int, user_id: str) -> bool:
    """Whether the user, or a group that he is in, was granted something in the bucket."""
    of_groups = select(group_members.c.group_id).where(group_members.c.user_id == user_id)
    to_him = or_(table.c.user_id == user_id, table.c.group_id.in_(of_groups))
    return conn.execute(select(table.c.id).where(table.c.bucket_id == bucket_id, to_him).limit(1)).first() is not None


def of_user(conn: Connection, user_id: str) -> list[Grant]:
    """In all buckets."""
    statement = _select.where(table.c.user_id == user_id).order_by(table.c.created_at, table.c.id)
    return [Grant._make(row) for row in conn.execute(statement).all()]


def of_group(conn: Connection, group_id: str) -> list[Grant]:
    """In all buckets."""
    statement = _select.where(table.c.group_id == group_id).order_by(table.c.created_at, table.c.id)
    return [Grant._make(row) for row in conn.execute(statement).all()]


def of_bucket(conn: Connection, bucket_id: int) -> list[Grant]:
    """To whomever."""
    statement = _select.where(table.c.bucket_id == bucket_id).order_by(table.c.created_at, table.c.id)
    return [Grant._make(row) for row in conn.execute(statement).all()]


def forget_user(conn: Connection, user_id: str) -> None:
    """All that a user was granted who is about to be deleted."""
    conn.execute(delete(table).where(table.c.user_id == user_id))


def forget_in(conn: Connection, bucket_id: int) -> None:
    """All of a locked bucket that may come back, under the id by which processes have them in memory."""
    for grant in sorted(of_bucket(conn, bucket_id), key=lambda grant: grant.user_id or grant.group_id or ""):
        _renew_of(conn, grant)  # in one order, or two transactions could deadlock
    conn.execute(delete(table).where(table.c.bucket_id == bucket_id))


def page(
    conn: Connection, bucket_id: int | None, below: Sequence[tuple[str, str]] | None, offset: int, limit: int
) -> Page:
    """In the order in which they were made; None: of all buckets. `below`: only of these prefixes and
    files, each with its type.
    """
    conditions: list[ColumnElement[bool]] = [] if bucket_id is None else [table.c.bucket_id == bucket_id]
    if below is not None:
        conditions += [table.c.resource_type != "bucket", or_(*(_below(kind, path) for kind, path in below))]
    total = conn.execute(select(func.count()).select_from(table).where(*conditions)).scalar_one()
    statement = _select.where(*conditions).order_by(table.c.created_at, table.c.id).offset(offset).limit(limit)
    return Page([Grant._make(row) for row in conn.execute(statement).all()], total)


def _below(resource_type: str, path: str) -> ColumnElement[bool]:
    if resource_type == "file":
        return (table.c.resource_type == resource_type) & (table.c.path == path)
    return (table.c.path >= path) & (table.c.path < listing.after_prefix(path))


def change(conn: Connection, grant: Grant, permission: str, expires_at: int | None) -> Grant:
    buckets.lock_exclusive(conn, grant.bucket_id)
    if expires_at is not None and expires_at <= now(conn):
        raise Invalid("it would have expired already: revoke it")
    _renew_of(conn, grant)
    values = {"permission": permission, "expires_at": expires_at}
    conn.execute(update(table).where(table.c.id == grant.id).values(values))
    return find(conn, grant.bucket_id, grant.id)


def remove(conn: Connection, grant: Grant) -> None:
    buckets.lock_exclusive(conn, grant.bucket_id)
    _renew_of(conn, grant)
    conn.execute(delete(table).where(table.c.id == grant.id))


def _of(grantee_id: str) -> ColumnElement[bool]:
    return (table.c.user_id == grantee_id) | (table.c.group_id == grantee_id)


def _renew_of(conn: Connection, grant: Grant) -> None:
    if grant.user_id is not None:
        _renew(conn, "user", grant.user_id)
    elif grant.group_id is not None:
        _renew(conn, "group", grant.group_id)


def _renew(conn: Connection, kind: str, grantee_id: str) -> None:
    """And lock who is granted something, so that it isn't deleted meanwhile, nor a member added."""
    key = users.c.id if kind == "user" else groups.c.id
    if conn.execute(select(key).where(key == grantee_id).with_for_update()).one_or_none() is None:
        raise NotFound(f"there is no such {kind}")
    if kind == "group":
        identity_policies.renew_members(conn, grantee_id)
    else:
        access_rules.renew(conn, users, users.c.id == grantee_id)
