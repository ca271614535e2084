"""Groups: users of one account who are given policies and grants together. The root of the account looks after them, as
an admin does after all; auditors see them.
"""

from __future__ import annotations

from typing import NamedTuple

from s3gw.accounts.etags import etag_of, require_match
from s3gw.accounts.login import Caller
from s3gw.metadata import audited_removals, groups, identities
from s3gw.metadata.audit import Actor
from s3gw.metadata.audited import told
from s3gw.metadata.database import Connection
from s3gw.metadata.groups import Group, Member
from s3gw.problems import NotFound, PermissionDenied
from s3gw.services import Services


class GroupWithMembers(NamedTuple):
    group: Group
    members: list[Member]

    @property
    def etag(self) -> str:
        """It changes with all that the API tells of the group."""
        return etag_of([self.group.id, self.group.name, self.members])


async def create(services: Services, caller: Caller, name: str) -> GroupWithMembers:
    """In the caller's account. Raises PermissionDenied, Invalid, and Conflict where the name is taken."""
    if not caller.principal.is_root:
        raise PermissionDenied("groups are made by the owner of the account")
    return await services.database.write(_create, caller.actor, caller.principal.user_id, name)


def _create(conn: Connection, actor: Actor, root_id: str, name: str) -> GroupWithMembers:
    made = groups.create(conn, name, root_id)
    told(conn, actor, "group.create", None, made)
    return GroupWithMembers(made, [])


async def page(services: Services, caller: Caller, offset: int, limit: int) -> tuple[list[GroupWithMembers], int]:
    """Of the caller's account; for admins and auditors, of all."""
    sees_all = caller.principal.sees_all
    root_id = None if sees_all else caller.principal.account_owner_id

    def read(conn: Connection) -> tuple[list[GroupWithMembers], int]:
        found, total = groups.page(conn, root_id, offset, limit)
        members = groups.members_of(conn, [group.id for group in found])
        return [GroupWithMembers(group, members[group.id]) for group in found], total

    return await services.database.scan(read)


async def find(services: Services, caller: Caller, group_id: str) -> GroupWithMembers:
    """Raises NotFound, also where the caller may not see it."""
    return await services.database.read(seen, caller, group_id)


def seen(conn: Connection, caller: Caller, group_id: str) -> GroupWithMembers:
    """As `find`, within a transaction."""
    principal = caller.principal
    try:
        group = groups.find_by_id(conn, group_id)
    except groups.NoSuchGroup:
        raise NotFound("there is no such group") from None
    if group.account_owner_id != principal.account_owner_id and not principal.sees_all:
        raise NotFound("there is no such group")
    return GroupWithMembers(group, groups.members_of(conn, [group.id])[group.id])


def _own(conn: Connection, caller: Caller, group_id: str, if_match: str | None = None) -> Group:
    """One that the caller looks after, locked."""
    groups.lock(conn, group_id)
    found, principal = seen(conn, caller, group_id), caller.principal
    if principal.role != "admin" and found.group.account_owner_id != principal.user_id:
        raise PermissionDenied("only the owner of the account or an admin may do this")
    require_match(if_match, found.etag)
    return found.group


async def rename(
    services: Services, caller: Caller, group_id: str, name: str, if_match: str | None
) -> GroupWithMembers:
    """Raises NotFound, PermissionDenied, Invalid, Conflict, PreconditionFailed."""
    return await services.database.write(_rename, caller, group_id, name, if_match)


def _rename(conn: Connection, caller: Caller, group_id: str, name: str, if_match: str | None) -> GroupWithMembers:
    before = _own(conn, caller, group_id, if_match)
    if name != before.name:
        told(conn, caller.actor, "group.update", before, groups.rename(conn, before.id, name))
    return seen(conn, caller, group_id)


async def delete(services: Services, caller: Caller, group_id: str) -> None:
    """With its policies and grants."""
    await services.database.write(_delete, caller, group_id)


def _delete(conn: Connection, caller: Caller, group_id: str) -> None:
    group = _own(conn, caller, group_id)
    audited_removals.delete_group(conn, caller.actor, group.id)


async def add(services: Services, caller: Caller, group_id: str, user_id: str) -> GroupWithMembers:
    """A user of the group's account, who from the next request on may what the group may. Again it changes nothing."""
    return await services.database.write(_add, caller, group_id, user_id)


def _add(conn: Connection, caller: Caller, group_id: str, user_id: str) -> GroupWithMembers:
    before = _own(conn, caller, group_id)
    _require_sight(conn, caller, before, user_id)
    after = groups.add(conn, before.id, user_id)
    if after != before:
        told(conn, caller.actor, "group.add", before, after)
    return seen(conn, caller, group_id)


def _require_sight(conn: Connection, caller: Caller, group: Group, user_id: str) -> None:
    """Of a user who is to be a member: that of another account isn't there for whoever isn't an admin."""
    try:
        user = identities.find_user_by_id(conn, user_id)
    except identities.NoSuchUser:
        raise _no_such_user() from None
    in_account = group.account_owner_id in (user.id, user.account_owner_id)
    if user.deleted_at is not None or not (in_account or caller.principal.role == "admin"):
        raise _no_such_user()


def _no_such_user() -> NotFound:
    return NotFound("there is no such user in the group's account")


async def remove(services: Services, caller: Caller, group_id: str, user_id: str) -> None:
    """Raises NotFound for who isn't a member."""
    await services.database.write(_remove, caller, group_id, user_id)


def _remove(conn: Connection, caller: Caller, group_id: str, user_id: str) -> None:
    before = _own(conn, caller, group_id)
    if user_id not in [member.id for member in groups.members_of(conn, [group_id])[group_id]]:
        raise NotFound("there is no such member")
    told(conn, caller.actor, "group.remove", before, groups.remove(conn, before.id, user_id))
