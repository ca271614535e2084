"""SQL of the rules about who may do what: those of a bucket, and those of a user, its groups and its key.

Whoever changes one gives the row that it is about a new `rules_revision` in the same transaction. Each request reads
that with the row, so the processes that keep rules in memory see from it whether they still hold.
"""

from __future__ import annotations

import secrets
from typing import NamedTuple

from sqlalchemy import ColumnElement, Table, bindparam, func, literal, select, update

from s3gw.metadata.database import Connection
from s3gw.metadata.prepared import Prepared
from s3gw.metadata.schema import (
    access_keys,
    bucket_configurations,
    buckets,
    grants,
    group_members,
    groups,
    identity_policies,
    users,
)

# The kinds of a bucket's configurations that decide who may do what.
KINDS = frozenset(("Policy", "PolicyPrincipals", "ACL", "OwnershipControls", "PublicAccessBlock", "RequestPayment"))

_of_bucket = Prepared(
    select(buckets.c.rules_revision, bucket_configurations.c.kind, bucket_configurations.c.document)
    .select_from(buckets.outerjoin(bucket_configurations, bucket_configurations.c.bucket_id == buckets.c.id))
    .where(buckets.c.id == bindparam("bucket_id"))
)
_user_revision = Prepared(select(users.c.rules_revision).where(users.c.id == bindparam("user_id")))
_key_revision = Prepared(
    select(access_keys.c.rules_revision).where(access_keys.c.access_key_id == bindparam("access_key_id"))
)
_policy = identity_policies.c
_of_user = Prepared(
    select(_policy.holder_kind, users.c.name, _policy.name, _policy.document)
    .join_from(identity_policies, users, _policy.holder_id == users.c.id)
    .where(_policy.holder_kind == "user", users.c.id == bindparam("user_id"))
    .order_by(_policy.name)
)
_of_groups = Prepared(
    select(_policy.holder_kind, groups.c.name, _policy.name, _policy.document)
    .join_from(identity_policies, group_members, _policy.holder_id == group_members.c.group_id)
    .join(groups, groups.c.id == group_members.c.group_id)
    .where(_policy.holder_kind == "group", group_members.c.user_id == bindparam("user_id"))
    .order_by(groups.c.name, _policy.name)
)
_of_key = Prepared(
    select(_policy.holder_kind, _policy.holder_id, _policy.name, _policy.document)
    .where(_policy.holder_kind == "key", _policy.holder_id == bindparam("access_key_id"))
    .order_by(_policy.name)
)

_granters = users.alias("granters")
_grant_columns = (
    grants.c.bucket_id,
    grants.c.resource_type,
    grants.c.path,
    grants.c.permission,
    func.coalesce(_granters.c.name, literal("a user who is gone")).label("granted_by"),
    groups.c.name.label("group_name"),
    grants.c.expires_at,
)
_granted = (
    select(*_grant_columns)
    .select_from(
        grants.outerjoin(_granters, _granters.c.id == grants.c.granted_by).outerjoin(
            groups, groups.c.id == grants.c.group_id
        )
    )
    .order_by(grants.c.created_at, grants.c.id)
)
_granted_to_user = Prepared(_granted.where(grants.c.user_id == bindparam("user_id")))
_granted_to_groups = Prepared(
    _granted.where(
        grants.c.group_id.in_(select(group_members.c.group_id).where(group_members.c.user_id == bindparam("user_id")))
    )
)


class BucketDocuments(NamedTuple):
    """`by_kind`: JSON, of the kinds above."""

    revision: str
    by_kind: dict[str, str]


class PolicyDocument(NamedTuple):
    """A policy as it was put, with what its holder and itself are called; kinds: user, group, key."""

    holder_kind: str
    holder_name: str
    name: str
    document: str


class GrantRow(NamedTuple):
    """`granted_by` and `group` are names; the group is the one through which the user has it."""

    bucket_id: int
    resource_type: str
    path: str
    permission: str
    granted_by: str
    group: str | None
    expires_at: int | None


class IdentityDocuments(NamedTuple):
    """`policies` and `grants` are those of the user and of its groups. A revision is None where the user or key isn't
    there.
    """

    revisions: tuple[str | None, str | None]  # of the user, of the key
    policies: tuple[PolicyDocument, ...]
    of_key: tuple[PolicyDocument, ...]
    grants: tuple[GrantRow, ...] = ()


def of_bucket(conn: Connection, bucket_id: int) -> BucketDocuments:
    rows = _of_bucket.all(conn, bucket_id=bucket_id)
    revision = rows[0][0] if rows else ""
    return BucketDocuments(revision, {kind: document for _, kind, document in rows if kind in KINDS})


def of_identity(conn: Connection, user_id: str, access_key_id: str) -> IdentityDocuments:
    user = _user_revision.value(conn, user_id=user_id)
    key = _key_revision.value(conn, access_key_id=access_key_id)
    return IdentityDocuments(
        (user, key),
        tuple(
            map(PolicyDocument._make, [*_of_user.all(conn, user_id=user_id), *_of_groups.all(conn, user_id=user_id)])
        ),
        tuple(map(PolicyDocument._make, _of_key.all(conn, access_key_id=access_key_id))),
        tuple(
            map(
                GrantRow._make,
                [*_granted_to_user.all(conn, user_id=user_id), *_granted_to_groups.all(conn, user_id=user_id)],
            )
        ),
    )


def renew(conn: Connection, table: Table, of: ColumnElement[bool]) -> None:
    """Rules about these rows have changed."""
    conn.execute(update(table).where(of).values(rules_revision=new_revision()))


def new_revision() -> str:
    return secrets.token_hex(8)
