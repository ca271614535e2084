"""Policies of users and of groups. The root of the account that they are in looks after them, as an admin does after
all. Who sees a user or a group sees its policies too: the user, the users of the group's account, auditors.

What a policy gives is limited to the user's own account, and by what the owners of other buckets consent to, so a root
that writes one gives nothing that it doesn't have.
"""

from __future__ import annotations

from typing import NamedTuple

from s3gw.access.parse import parse_identity_policy
from s3gw.accounts import groups
from s3gw.accounts.etags import etag_of, require_match
from s3gw.accounts.login import Caller
from s3gw.metadata import identities, identity_policies
from s3gw.metadata.audited import policy_told
from s3gw.metadata.database import Connection
from s3gw.metadata.groups import lock as lock_group
from s3gw.metadata.identity_policies import Holder, IdentityPolicy
from s3gw.problems import Conflict, NotFound, PermissionDenied, PreconditionFailed
from s3gw.services import Services


class Named(NamedTuple):
    """Whose policies are meant. `kind`: user or group."""

    kind: str
    id: str


class Conditions(NamedTuple):
    """`if_match`: tags of what is to be replaced; `is_new`: nothing is to be replaced."""

    if_match: str | None
    is_new: bool = False


class _Seen(NamedTuple):
    """A holder, the user who owns its account, and whether it is that user, who can hold no policy."""

    holder: Holder
    owner_id: str
    is_root: bool


def etag_of_policy(policy: IdentityPolicy) -> str:
    return etag_of(policy)


async def page(
    services: Services, caller: Caller, named: Named, offset: int, limit: int
) -> tuple[list[IdentityPolicy], int]:
    """By name, and how many there are in all. Raises NotFound."""
    found = await services.database.read(_page, caller, named)
    return found[offset : offset + limit], len(found)


def _page(conn: Connection, caller: Caller, named: Named) -> list[IdentityPolicy]:
    return identity_policies.of_holder(conn, _seen(conn, caller, named).holder)


async def find(services: Services, caller: Caller, named: Named, name: str) -> IdentityPolicy:
    """Raises NotFound."""
    return await services.database.read(_find, caller, named, name)


def _find(conn: Connection, caller: Caller, named: Named, name: str) -> IdentityPolicy:
    return _there(_of_name(conn, _seen(conn, caller, named).holder, name))


async def put(
    services: Services, caller: Caller, named: Named, name: str, document: str, conditions: Conditions
) -> IdentityPolicy:
    """Instead of the policy of that name, if there is one; it counts from the next request on. Raises NotFound,
    PermissionDenied, Conflict for the root of an account, PreconditionFailed, Invalid for a name that can't be,
    LimitExceeded, and the S3Error of a policy that is none.
    """
    parse_identity_policy(document)
    return await services.database.write(_put, caller, named, name, document, conditions)


def _put(
    conn: Connection, caller: Caller, named: Named, name: str, document: str, conditions: Conditions
) -> IdentityPolicy:
    seen = _own(conn, caller, named)
    if seen.is_root:
        raise Conflict(f"{seen.holder.name} has an account of its own and may do everything there: no policy counts")
    before = _of_name(conn, seen.holder, name)
    _require(before, conditions)
    after = identity_policies.put(conn, seen.holder, name, document)
    policy_told(conn, caller.actor, seen.holder, before, after)
    return after


async def delete(services: Services, caller: Caller, named: Named, name: str, if_match: str | None) -> None:
    """It counts from the next request on. Raises NotFound, PermissionDenied, PreconditionFailed."""
    await services.database.write(_delete, caller, named, name, if_match)


def _delete(conn: Connection, caller: Caller, named: Named, name: str, if_match: str | None) -> None:
    holder = _own(conn, caller, named).holder
    _require(_there(_of_name(conn, holder, name)), Conditions(if_match))
    policy_told(conn, caller.actor, holder, identity_policies.remove(conn, holder, name), None)


def _require(before: IdentityPolicy | None, conditions: Conditions) -> None:
    """RFC 9110, 13.1: "If-Match: *" is false where there is nothing, "If-None-Match: *" where there is something."""
    if conditions.is_new and before is not None:
        raise PreconditionFailed("there is a policy of this name already")
    if before is not None:
        require_match(conditions.if_match, etag_of_policy(before))
    elif conditions.if_match is not None:
        raise PreconditionFailed("there is no policy of this name any more")


def _of_name(conn: Connection, holder: Holder, name: str) -> IdentityPolicy | None:
    return next((one for one in identity_policies.of_holder(conn, holder) if one.name == name), None)


def _there(policy: IdentityPolicy | None) -> IdentityPolicy:
    if policy is None:
        raise NotFound("there is no policy of this name")
    return policy


def _own(conn: Connection, caller: Caller, named: Named) -> _Seen:
    """One whose policies the caller looks after, locked."""
    seen, principal = _seen(conn, caller, named), caller.principal
    if principal.role != "admin" and seen.owner_id != principal.user_id:
        raise PermissionDenied("only the owner of the account or an admin may do this")
    if named.kind == "group":
        lock_group(conn, named.id)
    else:
        identities.lock_user(conn, identities.find_user_by_id(conn, named.id))
    return _seen(conn, caller, named)


def _seen(conn: Connection, caller: Caller, named: Named) -> _Seen:
    if named.kind == "group":
        group = groups.seen(conn, caller, named.id).group
        return _Seen(Holder("group", group.id, group.name), group.account_owner_id, is_root=False)
    principal = caller.principal
    try:
        user = identities.find_user_by_id(conn, named.id)
    except identities.NoSuchUser:
        raise NotFound("there is no such user") from None
    owner_id = user.account_owner_id or user.id
    if user.deleted_at is not None or not (principal.user_id in (user.id, owner_id) or principal.sees_all):
        raise NotFound("there is no such user")
    return _Seen(Holder("user", user.id, user.name), owner_id, is_root=user.account_owner_id is None)
