"""SQL of the policies of users, groups and access keys. What a policy says is the business of access/.

Whatever is changed gives those whom it concerns a new revision in the same transaction, so the next request of each
decides by it: the user, the members of the group, or the key. A holder's row is locked first, so that two changes
of one holder come one after the other.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import NamedTuple

from sqlalchemy import ColumnElement, delete, func, insert, select

from s3gw.errors import LimitExceeded
from s3gw.metadata import access_rules
from s3gw.metadata.database import Connection, now
from s3gw.metadata.schema import access_keys, group_members, groups, identity_policies, users
from s3gw.problems import Invalid, Problem

# As many as may be attached to a user or group of IAM's. Each has at most 6144 characters (access/parse.py).
MOST_POLICIES = 10
# As in IAM, but for "." and "..", which clients take out of a URL's path.
_NAME = re.compile(r"(?!\.{1,2}$)[\w+=,.@-]{1,128}", re.ASCII)
_policy = identity_policies.c
_KEYS = {"user": users.c.id, "group": groups.c.id, "key": access_keys.c.access_key_id}


class PolicyError(Problem):
    """A change to policies that is refused; the message is for the person who asked for it."""

    status, error_code = Invalid.status, Invalid.error_code


class Holder(NamedTuple):
    """Whom a policy is about; kinds: user, group, key."""

    kind: str
    id: str
    name: str

    def __str__(self) -> str:
        return f"{'access key' if self.kind == 'key' else self.kind} {self.name}"


class IdentityPolicy(NamedTuple):
    """`document` is the text that was put."""

    name: str
    document: str
    created_at: int


def put(conn: Connection, holder: Holder, name: str, document: str) -> IdentityPolicy:
    """Instead of the policy of that name, if there is one."""
    if _NAME.fullmatch(name) is None:
        raise PolicyError("a policy's name has 1 to 128 of the characters A-Z a-z 0-9 _ + = , . @ - and isn't . or ..")
    _renew(conn, holder)
    others = select(func.count()).where(_of(holder.kind, holder.id), _policy.name != name)
    if conn.execute(others).scalar_one() >= MOST_POLICIES:
        raise LimitExceeded(f"Cannot exceed quota for PoliciesPer{holder.kind.capitalize()}: {MOST_POLICIES}")
    conn.execute(delete(identity_policies).where(_of(holder.kind, holder.id), _policy.name == name))
    made = IdentityPolicy(name, document, now(conn))
    conn.execute(insert(identity_policies).values(holder_kind=holder.kind, holder_id=holder.id, **made._asdict()))
    return made


def of_holder(conn: Connection, holder: Holder) -> list[IdentityPolicy]:
    statement = select(_policy.name, _policy.document, _policy.created_at).where(_of(holder.kind, holder.id))
    return [IdentityPolicy._make(row) for row in conn.execute(statement.order_by(_policy.name)).all()]


def names_of_keys(conn: Connection, access_key_id: str | None = None) -> dict[str, list[str]]:
    """By access key ID, of those that are narrowed; None: of all keys."""
    statement = select(_policy.holder_id, _policy.name).where(_policy.holder_kind == "key").order_by(_policy.name)
    if access_key_id is not None:
        statement = statement.where(_policy.holder_id == access_key_id)
    names: dict[str, list[str]] = {}
    for row in conn.execute(statement).all():
        names.setdefault(row.holder_id, []).append(row.name)
    return names


def of_keys(conn: Connection, access_key_ids: Collection[str]) -> dict[str, list[IdentityPolicy]]:
    """By their access key IDs, in the order of their names."""
    found: dict[str, list[IdentityPolicy]] = {}
    statement = select(_policy.holder_id, _policy.name, _policy.document, _policy.created_at)
    of_these = statement.where(_policy.holder_kind == "key", _policy.holder_id.in_(access_key_ids))
    for row in conn.execute(of_these.order_by(_policy.name)).all():
        found.setdefault(row.holder_id, []).append(IdentityPolicy(row.name, row.document, row.created_at))
    return found


def find(conn: Connection, holder: Holder, name: str | None) -> IdentityPolicy:
    """Without a name: the only one."""
    found = of_holder(conn, holder)
    named = [policy for policy in found if name in (None, policy.name)]
    if len(named) == 1:
        return named[0]
    if not named:
        raise PolicyError(f"{holder} has no policy{f' {name}' if name else ''}")
    names = ", ".join(policy.name for policy in found)
    raise PolicyError(f"{holder} has {len(found)} policies: give --name, one of {names}")


def remove(conn: Connection, holder: Holder, name: str | None) -> IdentityPolicy:
    """Without a name: the only one."""
    _renew(conn, holder)
    policy = find(conn, holder, name)
    conn.execute(delete(identity_policies).where(_of(holder.kind, holder.id), _policy.name == policy.name))
    return policy


def forget(conn: Connection, kind: str, holder_id: str) -> None:
    """All policies of a holder that is about to be deleted."""
    conn.execute(delete(identity_policies).where(_of(kind, holder_id)))


def renew_members(conn: Connection, group_id: str) -> None:
    members = select(group_members.c.user_id).where(group_members.c.group_id == group_id)
    access_rules.renew(conn, users, users.c.id.in_(members))


def _of(kind: str, holder_id: str) -> ColumnElement[bool]:
    return (_policy.holder_kind == kind) & (_policy.holder_id == holder_id)


def _renew(conn: Connection, holder: Holder) -> None:
    """And lock the holder: a member that is just being added to a group must not miss what is put there."""
    key = _KEYS[holder.kind]
    if conn.execute(select(key).where(key == holder.id).with_for_update()).one_or_none() is None:
        raise PolicyError(f"there is no {holder}")
    if holder.kind == "group":
        renew_members(conn, holder.id)
    else:
        access_rules.renew(conn, key.table, key == holder.id)
