"""SQL of groups: users of one account who hold policies together. A name is one of an account's, so whoever looks at
all accounts calls a group by its id where several have the name.

Who is added to a group or removed gets a new revision in the same transaction (identity_policies.py).
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Collection
from typing import Any, NamedTuple

from sqlalchemy import Select, delete, func, insert, select, true, update
from sqlalchemy.exc import IntegrityError

from s3gw.errors import LimitExceeded
from s3gw.metadata import access_rules, identities, identity_policies
from s3gw.metadata.database import Connection, now
from s3gw.metadata.identities import IdentityError, User
from s3gw.metadata.schema import grants, group_members, groups, users
from s3gw.problems import Conflict, NotFound

MOST_GROUPS = 10  # of a user, as on IAM
_NAME = re.compile(r"[\w+=,.@-]{1,64}", re.ASCII)  # as in IAM


class GroupThere(IdentityError):
    status, error_code = Conflict.status, Conflict.error_code


class NoSuchGroup(IdentityError):
    status, error_code = NotFound.status, NotFound.error_code

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no group {name}")


class Group(NamedTuple):
    """`account_owner` names the root of the account that the group is in, `members` its users, by name."""

    id: str
    name: str
    account_owner_id: str
    account_owner: str
    created_at: int
    members: tuple[str, ...] = ()


class Member(NamedTuple):
    id: str
    name: str


_select = select(
    groups.c.id, groups.c.name, groups.c.account_owner_id, users.c.name.label("account_owner"), groups.c.created_at
).join_from(groups, users, groups.c.account_owner_id == users.c.id)


def create(conn: Connection, name: str, account: str | None) -> Group:
    """In the account of the user `account`; None: in the only one that there is."""
    check_name(name)
    root = identities.find_root(conn, _only_root(conn) if account is None else account)
    identities.lock_user(conn, root)
    group_id = str(uuid.uuid4())
    values = {"id": group_id, "name": name, "account_owner_id": root.id, "created_at": now(conn)}
    try:
        conn.execute(insert(groups).values(values))
    except IntegrityError:
        raise GroupThere(f"there is already a group {name}") from None
    return find_by_id(conn, group_id)


def check_name(name: str) -> None:
    if _NAME.fullmatch(name) is None:
        raise IdentityError("a group name has 1 to 64 of the characters A-Z a-z 0-9 _ + = , . @ -")


def _only_root(conn: Connection) -> str:
    roots = [
        user.name for user in identities.list_users(conn) if user.account_owner is None and user.deleted_at is None
    ]
    if len(roots) != 1:
        raise IdentityError("there are several accounts: give --account and the name of the user whose it is")
    return roots[0]


def rename(conn: Connection, called: str, new_name: str) -> Group:
    """Policies and grants mean its id, so they stay its own."""
    check_name(new_name)
    group = find(conn, called)
    _lock(conn, group)
    try:
        conn.execute(update(groups).where(groups.c.id == group.id).values(name=new_name))
    except IntegrityError:
        raise GroupThere(f"there is already a group {new_name}") from None
    identity_policies.renew_members(conn, group.id)  # reasons of decisions name it
    return find_by_id(conn, group.id)


def find(conn: Connection, called: str) -> Group:
    """By its id or name. Raises GroupThere for a name that groups of several accounts have."""
    named = conn.execute(select(groups.c.id).where(groups.c.name == called).limit(2)).scalars().all()
    if conn.execute(select(groups.c.id).where(groups.c.id == called)).one_or_none() is not None or not named:
        return find_by_id(conn, called)
    if len(named) > 1:
        raise GroupThere(f"several accounts have a group {called}: call it by its ID, as `s3gw group list --json` does")
    return find_by_id(conn, named[0])


def find_by_id(conn: Connection, group_id: str) -> Group:
    return _found(conn, group_id, _select.where(groups.c.id == group_id))


def lock(conn: Connection, group_id: str) -> None:
    """Until the end of the transaction."""
    conn.execute(select(groups.c.id).where(groups.c.id == group_id).with_for_update())


def _found(conn: Connection, called: str, statement: Select[Any]) -> Group:
    row = conn.execute(statement).one_or_none()
    if row is None:
        raise NoSuchGroup(called)
    group = Group._make((*row, ()))
    return group._replace(members=_members(conn, group))


def page(conn: Connection, root_id: str | None, offset: int, limit: int) -> tuple[list[Group], int]:
    """By name, and how many there are in all; of one account, or of all for None."""
    mine = true() if root_id is None else groups.c.account_owner_id == root_id
    total = conn.execute(select(func.count()).select_from(groups).where(mine)).scalar_one()
    rows = conn.execute(_select.where(mine).order_by(groups.c.name, groups.c.id).offset(offset).limit(limit)).all()
    return [Group._make((*row, ())) for row in rows], int(total)


def members_of(conn: Connection, group_ids: Collection[str]) -> dict[str, list[Member]]:
    """By the ids of the groups, in the order of their names."""
    found: dict[str, list[Member]] = {group_id: [] for group_id in group_ids}
    statement = select(group_members.c.group_id, users.c.id, users.c.name).join_from(
        group_members, users, group_members.c.user_id == users.c.id
    )
    for row in conn.execute(statement.where(group_members.c.group_id.in_(group_ids)).order_by(users.c.name)).all():
        found[row.group_id].append(Member(row.id, row.name))
    return found


def list_all(conn: Connection, account: str | None = None) -> list[Group]:
    return of_account(conn, None if account is None else identities.find_root(conn, account, may_be_deleted=True).id)


def of_account(conn: Connection, root_id: str | None) -> list[Group]:
    """By name; of all accounts for None."""
    statement = _select.order_by(groups.c.name, groups.c.id)
    if root_id is not None:
        statement = statement.where(groups.c.account_owner_id == root_id)
    found = [Group._make((*row, ())) for row in conn.execute(statement).all()]
    return [group._replace(members=_members(conn, group)) for group in found]


def _members(conn: Connection, group: Group) -> tuple[str, ...]:
    statement = select(users.c.name).join_from(group_members, users, group_members.c.user_id == users.c.id)
    rows = conn.execute(statement.where(group_members.c.group_id == group.id).order_by(users.c.name)).scalars()
    return tuple(map(str, rows.all()))


def ids_of_user(conn: Connection, user: User) -> list[str]:
    rows = conn.execute(select(group_members.c.group_id).where(group_members.c.user_id == user.id)).scalars()
    return sorted(map(str, rows.all()))


def names_of_user(conn: Connection, user: User) -> list[str]:
    statement = select(groups.c.name).join_from(group_members, groups, group_members.c.group_id == groups.c.id)
    rows = conn.execute(
        statement.where(group_members.c.user_id == user.id).order_by(groups.c.name, groups.c.id)
    ).scalars()
    return list(map(str, rows.all()))


def add(conn: Connection, called: str, user_name: str) -> Group:
    """Adding a member again changes nothing."""
    group, user = _locked(conn, called, user_name)
    if user.deleted_at is not None:
        raise identities.Deleted(user.name)
    if user.account_owner_id != group.account_owner_id:
        raise IdentityError(
            f"{user.name} {_where(user, group)}: group {group.name} is for users in that of {group.account_owner}"
        )
    if user.name in group.members:
        return group
    of_user = select(func.count()).where(group_members.c.user_id == user.id)
    if conn.execute(of_user).scalar_one() >= MOST_GROUPS:
        raise LimitExceeded(f"Cannot exceed quota for GroupsPerUser: {MOST_GROUPS}")
    access_rules.renew(conn, users, users.c.id == user.id)
    conn.execute(insert(group_members).values(group_id=group.id, user_id=user.id))
    return find_by_id(conn, group.id)


def _where(user: User, group: Group) -> str:
    if user.account_owner is not None:
        return f"is in the account of {user.account_owner}"
    return "may do everything in this account" if user.id == group.account_owner_id else "has an account of its own"


def remove(conn: Connection, called: str, user_name: str) -> Group:
    """Of a deleted user too, who is a member again when it is restored."""
    group, user = _locked(conn, called, user_name)
    if user.name not in group.members:
        raise IdentityError(f"{user.name} isn't in group {group.name}")
    access_rules.renew(conn, users, users.c.id == user.id)
    remove_user(conn, group, user.id)
    return find_by_id(conn, group.id)


def remove_user(conn: Connection, group: Group, user_id: str) -> None:
    """Of a user who is about to be deleted, or is given a new revision beside."""
    conn.execute(delete(group_members).where(group_members.c.group_id == group.id, group_members.c.user_id == user_id))


def delete_group(conn: Connection, called: str) -> Group:
    """With its policies and what it was granted; its members stay users, without what these allowed."""
    group = find(conn, called)
    _lock(conn, group)
    identity_policies.renew_members(conn, group.id)
    identity_policies.forget(conn, "group", group.id)
    for table in (grants, group_members):
        conn.execute(delete(table).where(table.c.group_id == group.id))
    conn.execute(delete(groups).where(groups.c.id == group.id))
    return group


def _locked(conn: Connection, called: str, user_name: str) -> tuple[Group, User]:
    """A group and a user that stay until the end of the transaction, the members as they are under the lock."""
    group = find(conn, called)
    _lock(conn, group)
    user = identities.find_user(conn, user_name)
    identities.lock_user(conn, user)
    return find_by_id(conn, group.id), identities.find_user_by_id(conn, user.id)


def _lock(conn: Connection, group: Group) -> None:
    if conn.execute(select(groups.c.id).where(groups.c.id == group.id).with_for_update()).one_or_none() is None:
        raise NoSuchGroup(group.name)
