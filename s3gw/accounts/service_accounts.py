"""Service accounts, under a user: that one looks after them, and admins; auditors see them.

One may nothing but what its policy, its groups and grants let it do: in its user's account by policies, which can give
no more than the user has. Its keys are made and ended as those of any user of the account (keys.py).
"""

from __future__ import annotations

from typing import NamedTuple

from s3gw.access.parse import parse_identity_policy
from s3gw.accounts.etags import etag_of, require_match
from s3gw.accounts.keys import Scope, replace_policies
from s3gw.accounts.login import Caller
from s3gw.metadata import deleted_users, identities, identity_policies, service_accounts, user_names
from s3gw.metadata.audited import told
from s3gw.metadata.database import Connection
from s3gw.metadata.deleted_users import DataAfter
from s3gw.metadata.identities import User
from s3gw.metadata.identity_policies import Holder, IdentityPolicy
from s3gw.problems import Conflict, NotFound, PermissionDenied
from s3gw.services import Services

MOST_SERVICE_ACCOUNTS = 100  # of a user, to be made by the API
_POLICY = "service"  # what the policy is called that one is made with


class ServiceAccount(NamedTuple):
    user: User
    policies: list[IdentityPolicy]

    @property
    def etag(self) -> str:
        """It changes with all that the API tells of it."""
        return etag_of([self.user, self.policies])


class Changes(NamedTuple):
    """None: as it is."""

    is_active: bool | None
    scope: Scope | None


async def create(services: Services, caller: Caller, name: str, scope: Scope) -> ServiceAccount:
    """Of the caller. Raises PermissionDenied for who is in another's account, Invalid, Conflict, and the S3Error of a
    policy that is none.
    """
    if not caller.principal.is_root:
        raise PermissionDenied("service accounts are made by the owner of the account")
    _check(scope)
    return await services.database.write(_create, caller, name, scope, keys=(user_names.turn(name),))


def _check(scope: Scope | None) -> None:
    if scope is not None and scope.policy is not None:
        parse_identity_policy(scope.policy)


def _create(conn: Connection, caller: Caller, name: str, scope: Scope) -> ServiceAccount:
    root = identities.find_user_by_id(conn, caller.principal.user_id)
    identities.lock_user(conn, root)
    if service_accounts.page(conn, root.id, 0, 0)[1] >= MOST_SERVICE_ACCOUNTS:
        raise Conflict(f"a user has {MOST_SERVICE_ACCOUNTS} service accounts at most: delete one")
    user = identities.create_user(conn, name=name, account=root.id)
    told(conn, caller.actor, "user.create", None, user)
    return ServiceAccount(user, replace_policies(conn, caller, _holder(user), _POLICY, scope))


async def page(services: Services, caller: Caller, offset: int, limit: int) -> tuple[list[ServiceAccount], int]:
    """Of the caller's account; for admins and auditors, of all."""
    sees_all = caller.principal.sees_all
    root_id = None if sees_all else caller.principal.account_owner_id

    def read(conn: Connection) -> tuple[list[ServiceAccount], int]:
        found, total = service_accounts.page(conn, root_id, offset, limit)
        return [_whole(conn, user) for user in found], total

    return await services.database.scan(read)


async def find(services: Services, caller: Caller, user_id: str) -> ServiceAccount:
    """Raises NotFound, also where the caller may not see it."""
    return await services.database.read(_seen, caller, user_id)


async def change(
    services: Services, caller: Caller, user_id: str, changes: Changes, if_match: str | None
) -> ServiceAccount:
    """It counts from the next request on. A scope takes the place of all policies. Raises NotFound, PermissionDenied,
    PreconditionFailed, and the S3Error of a policy that is none.
    """
    _check(changes.scope)
    return await services.database.write(_change, caller, user_id, changes, if_match)


def _change(conn: Connection, caller: Caller, user_id: str, changes: Changes, if_match: str | None) -> ServiceAccount:
    found = _own(conn, caller, user_id)
    require_match(if_match, found.etag)
    user, policies = found
    if changes.is_active is not None:
        user = identities.enable_user(conn, user, changes.is_active)
        told(conn, caller.actor, "user.update", found.user, user)
    if changes.scope is not None:
        policies = replace_policies(conn, caller, _holder(user), _POLICY, changes.scope)
    return ServiceAccount(user, policies)


async def delete(services: Services, caller: Caller, user_id: str) -> None:
    """Its keys end at once; what it wrote is the account's. As any user it can be restored by an admin for a while, and
    its name stays taken as long. Raises NotFound, PermissionDenied.
    """
    await services.database.write(_delete, caller, user_id)


def _delete(conn: Connection, caller: Caller, user_id: str) -> None:
    deleted_users.delete_softly(conn, caller.actor, _own(conn, caller, user_id).user.id, DataAfter("keep"))


def _own(conn: Connection, caller: Caller, user_id: str) -> ServiceAccount:
    """One that the caller looks after, locked."""
    found, principal = _seen(conn, caller, user_id), caller.principal
    if principal.role != "admin" and found.user.account_owner_id != principal.user_id:
        raise PermissionDenied("only the owner of the account or an admin may do this")
    identities.lock_user(conn, found.user)
    return _seen(conn, caller, user_id)


def _seen(conn: Connection, caller: Caller, user_id: str) -> ServiceAccount:
    principal = caller.principal
    try:
        user = service_accounts.find(conn, user_id)
    except identities.NoSuchUser:
        raise NotFound("there is no such service account") from None
    if user.account_owner_id != principal.account_owner_id and not principal.sees_all:
        raise NotFound("there is no such service account")
    return _whole(conn, user)


def _whole(conn: Connection, user: User) -> ServiceAccount:
    return ServiceAccount(user, identity_policies.of_holder(conn, _holder(user)))


def _holder(user: User) -> Holder:
    return Holder("user", user.id, user.name)
