"""Access keys: a user's own, those of the users in its account, and, for admins, everybody's.

A key never may more than its user; a policy that it is given narrows it further.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from s3gw.access.parse import parse_identity_policy
from s3gw.accounts.etags import etag_of, require_match
from s3gw.accounts.login import Caller
from s3gw.auth.credentials import Credentials, new_access_key_id, new_secret_access_key
from s3gw.metadata import audited_removals, identities, identity_policies
from s3gw.metadata.audited import policy_told, told
from s3gw.metadata.database import Connection, now
from s3gw.metadata.identities import Key, User
from s3gw.metadata.identity_policies import Holder, IdentityPolicy
from s3gw.problems import Conflict, Fault, Invalid, NotFound
from s3gw.services import Services

MOST_KEYS = 100  # of a user, to be made by itself
_POLICY = "scope"  # what the policy is called that a key is made with


class Scope(NamedTuple):
    """What a key is narrowed to: JSON, or None for nothing less than its user."""

    policy: str | None


class KeyWithPolicies(NamedTuple):
    key: Key
    policies: list[IdentityPolicy]


class NewKey(NamedTuple):
    """The secret is told this once."""

    made: KeyWithPolicies
    secret_access_key: str


class Wanted(NamedTuple):
    """`user_id` None: the caller's own. `policy`: JSON."""

    user_id: str | None
    description: str
    expires_at: int | None
    policy: str | None


async def create(services: Services, caller: Caller, wanted: Wanted) -> NewKey:
    """Raises NotFound, Invalid, Conflict, and the S3Error of a policy that is none."""
    if wanted.policy is not None:
        parse_identity_policy(wanted.policy)
    access_key_id, secret = new_access_key_id(), new_secret_access_key()
    made = await services.database.write(_create, services.credentials, caller, wanted, access_key_id, secret)
    return NewKey(made, secret)


def _create(
    conn: Connection, credentials: Credentials, caller: Caller, wanted: Wanted, access_key_id: str, secret: str
) -> KeyWithPolicies:
    user = _user(conn, caller, wanted.user_id)
    identities.lock_user(conn, user)
    _refuse_past(conn, wanted.expires_at)
    if identities.page_of_keys(conn, user.id, 0, 0)[1] >= MOST_KEYS:
        raise Conflict(f"a user has {MOST_KEYS} access keys at most: delete one")
    key = identities.create_key(
        conn,
        user=user.id,
        access_key_id=access_key_id,
        sealed_secret=credentials.seal_in(conn, access_key_id, secret),
        description=wanted.description,
        expires_at=wanted.expires_at,
    )
    told(conn, caller.actor, "key.create", None, key)
    policies = []
    if wanted.policy is not None:
        holder = Holder("key", access_key_id, access_key_id)
        policies.append(identity_policies.put(conn, holder, _POLICY, wanted.policy))
        policy_told(conn, caller.actor, holder, None, policies[-1])
    return KeyWithPolicies(key, policies)


async def page(
    services: Services, caller: Caller, user_id: str | None, offset: int, limit: int
) -> tuple[list[KeyWithPolicies], int]:
    """Of the caller, or of another user whose keys the caller looks after. Raises NotFound."""
    return await services.database.scan(_page, caller, user_id, offset, limit)


def _page(
    conn: Connection, caller: Caller, user_id: str | None, offset: int, limit: int
) -> tuple[list[KeyWithPolicies], int]:
    user = _user(conn, caller, user_id)
    found, total = identities.page_of_keys(conn, user.id, offset, limit)
    policies = identity_policies.of_keys(conn, [key.access_key_id for key in found])
    return [KeyWithPolicies(key, policies.get(key.access_key_id, [])) for key in found], total


async def find(services: Services, caller: Caller, access_key_id: str) -> KeyWithPolicies:
    """Raises NotFound."""
    return await services.database.read(_find, caller, access_key_id)


def _find(conn: Connection, caller: Caller, access_key_id: str) -> KeyWithPolicies:
    key = _own_key(conn, caller, access_key_id)
    return KeyWithPolicies(key, identity_policies.of_keys(conn, [access_key_id]).get(access_key_id, []))


def etag_of_key(found: KeyWithPolicies) -> str:
    """It doesn't change with the key's use."""
    return etag_of([found.key._replace(last_used_at=None), found.policies])


async def change(
    services: Services,
    caller: Caller,
    access_key_id: str,
    changes: dict[str, Any],
    scope: Scope | None,
    if_match: str | None,
) -> KeyWithPolicies:
    """Of `description`, `is_enabled` and `expires_at`; a `scope` takes the place of all policies of the key. Raises
    NotFound, Invalid, PreconditionFailed, and the S3Error of a policy that is none.
    """
    if scope is not None and scope.policy is not None:
        parse_identity_policy(scope.policy)
    return await services.database.write(_change, caller, access_key_id, changes, scope, if_match)


def _change(
    conn: Connection,
    caller: Caller,
    access_key_id: str,
    changes: dict[str, Any],
    scope: Scope | None,
    if_match: str | None,
) -> KeyWithPolicies:
    user_id = _own_key(conn, caller, access_key_id).user_id
    identities.lock_user(conn, identities.find_user_by_id(conn, user_id))
    found = _find(conn, caller, access_key_id)
    require_match(if_match, etag_of_key(found))
    _refuse_past(conn, changes.get("expires_at"))
    key = identities.update_key(conn, access_key_id, **changes)
    if changes or scope is None:
        told(conn, caller.actor, "key.update", found.key, key)
    holder = Holder("key", access_key_id, access_key_id)
    policies = found.policies if scope is None else replace_policies(conn, caller, holder, _POLICY, scope)
    return KeyWithPolicies(key, policies)


def replace_policies(conn: Connection, caller: Caller, holder: Holder, name: str, scope: Scope) -> list[IdentityPolicy]:
    """All that the holder has, by one of this name or by none: what others allow would go beyond it."""
    before = {policy.name: policy for policy in identity_policies.of_holder(conn, holder)}
    for other in before.keys() - ({name} if scope.policy is not None else set()):
        policy_told(conn, caller.actor, holder, identity_policies.remove(conn, holder, other), None)
    if scope.policy is None:
        return []
    made = identity_policies.put(conn, holder, name, scope.policy)
    policy_told(conn, caller.actor, holder, before.get(name), made)
    return [made]


async def delete(services: Services, caller: Caller, access_key_id: str) -> None:
    """It is refused from the next request on. Raises NotFound."""
    await services.database.write(_delete, caller, access_key_id)


def _delete(conn: Connection, caller: Caller, access_key_id: str) -> None:
    _own_key(conn, caller, access_key_id)
    audited_removals.delete_key(conn, caller.actor, access_key_id)


def _own_key(conn: Connection, caller: Caller, access_key_id: str) -> Key:
    try:
        key = identities.find_key(conn, access_key_id)
        _user(conn, caller, key.user_id)
    except (NotFound, identities.NoSuchAccessKey):
        raise NotFound("there is no such access key") from None
    return key


def _user(conn: Connection, caller: Caller, user_id: str | None) -> User:
    """Whose keys are meant: the caller looks after its own, an account's root after those of its users."""
    principal = caller.principal
    try:
        user = identities.find_user_by_id(conn, user_id or principal.user_id)
    except identities.NoSuchUser:
        raise NotFound("there is no such user") from None
    in_account = principal.is_root and user.account_owner_id == principal.user_id
    if user.deleted_at is not None or not (user.id == principal.user_id or in_account or principal.role == "admin"):
        raise NotFound("there is no such user")
    return user


def _refuse_past(conn: Connection, expires_at: int | None) -> None:
    if expires_at is not None and expires_at <= now(conn):
        raise Invalid("it would have expired already", faults=(Fault("expires_at", "is in the past"),))
