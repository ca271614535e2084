"""SQL of users and access keys.

`access_key_columns` are part of what every signed request reads (resolve.py). What a key may look like is decided here,
and what a name may in user_names.py, so that the command line and the JSON API refuse the same things. Secrets arrive
sealed and passwords hashed (auth/).
"""

from __future__ import annotations

import re
import secrets
import uuid
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from sqlalchemy import Row, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from s3gw.metadata import identity_policies, one_time_tokens, sessions, user_names
from s3gw.metadata.database import Connection, now
from s3gw.metadata.prepared import Prepared
from s3gw.metadata.schema import access_keys, users
from s3gw.problems import Conflict, Fault, Invalid, NotFound, Problem

ROLES = ("user", "auditor", "admin")

_EMAIL = re.compile(r"[^\s@]+@[^\s@]+")
# Neither "/" nor ":": they end the ID in SigV4's Credential and in SigV2's Authorization.
_ACCESS_KEY_ID = re.compile(r"[\w.+=@-]{3,128}", re.ASCII)
_SECRET_ACCESS_KEY = re.compile(r"[!-~]{8,128}")


class IdentityError(Problem):
    """A change to users, groups or keys that is refused; the message is for the person who asked for it."""

    status, error_code = Invalid.status, Invalid.error_code


class AlreadyThere(IdentityError):
    status, error_code = Conflict.status, Conflict.error_code


class LastAdmin(IdentityError):
    status, error_code = Conflict.status, Conflict.error_code


class NoSuchUser(IdentityError):
    status, error_code = NotFound.status, NotFound.error_code

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no user {name}")


class Deleted(IdentityError):
    status, error_code = Conflict.status, Conflict.error_code

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is deleted: restore it first (s3gw user restore {name})")


class NoSuchAccessKey(IdentityError):
    status, error_code = NotFound.status, NotFound.error_code

    def __init__(self, access_key_id: str) -> None:
        super().__init__(f"there is no access key {access_key_id}")


class AccessKey(NamedTuple):
    """What a signature is checked with: a key and its user, with the ids of the account that the user is in."""

    user_id: str
    canonical_id: str
    account_id: str
    name: str
    role: str
    user_enabled: bool
    key_enabled: bool
    expires_at: int | None  # microseconds since the epoch
    sealed_secret: bytes
    account_owner_id: str  # of the user that is the account's root
    rules_revision: str
    key_rules_revision: str


class User(NamedTuple):
    """`canonical_id` and `account_id` are those of the account that the user is in, whose root `account_owner` names.
    Where that is None, the user itself is the root.
    """

    id: str
    canonical_id: str
    account_id: str
    name: str
    email: str | None
    display_name: str
    role: str
    is_enabled: bool
    created_at: int
    account_owner_id: str | None = None
    account_owner: str | None = None
    updated_at: int = 0
    storage_quota: int | None = None  # bytes
    deleted_at: int | None = None
    email_verified_at: int | None = None

    @property
    def arn(self) -> str:
        """What policies call the user, as its Principal has it (auth/principal.py)."""
        return f"arn:aws:iam::{self.account_id}:" + ("root" if self.account_owner is None else f"user/{self.name}")


class Key(NamedTuple):
    """An access key without its secret, which is shown only once."""

    access_key_id: str
    user: str
    description: str
    is_enabled: bool
    expires_at: int | None
    created_at: int
    last_used_at: int | None = None
    user_id: str = ""


accounts = users.alias("accounts")
# Of a key, its user, and the user that is the root of the account, where that is another one.
access_key_columns = (
    users.c.id,
    func.coalesce(accounts.c.canonical_id, users.c.canonical_id),
    func.coalesce(accounts.c.account_id, users.c.account_id),
    users.c.name,
    users.c.role,
    (users.c.is_enabled * func.coalesce(accounts.c.is_enabled, 1)).label("user_enabled"),  # as in active_users.py
    access_keys.c.is_enabled.label("key_enabled"),
    access_keys.c.expires_at,
    access_keys.c.sealed_secret,
    func.coalesce(accounts.c.id, users.c.id).label("account_owner_id"),
    users.c.rules_revision.label("user_rules_revision"),
    access_keys.c.rules_revision.label("key_rules_revision"),
)
_any_sealed_secret = Prepared(select(access_keys.c.access_key_id, access_keys.c.sealed_secret).limit(1))
_select_user = select(
    users.c.id,
    accounts.c.canonical_id,
    accounts.c.account_id,
    users.c.name,
    users.c.email,
    users.c.display_name,
    users.c.role,
    users.c.is_enabled,
    users.c.created_at,
    users.c.account_owner_id,
    accounts.c.name.label("account_owner"),
    users.c.updated_at,
    users.c.storage_quota,
    users.c.deleted_at,
    users.c.email_verified_at,
).join_from(users, accounts, accounts.c.id == func.coalesce(users.c.account_owner_id, users.c.id))
_is_shown = access_keys.c.session_id.is_(None)  # others are hidden_keys.py's
_select_key = select(
    access_keys.c.access_key_id,
    users.c.name,
    access_keys.c.description,
    access_keys.c.is_enabled,
    access_keys.c.expires_at,
    access_keys.c.created_at,
    access_keys.c.last_used_at,
    users.c.id,
).join_from(access_keys, users, (access_keys.c.user_id == users.c.id) & _is_shown)


# Users


def find_user(conn: Connection, name: str) -> User:
    """By name, id, or e-mail address. Raises NoSuchUser."""
    for column in (users.c.name, users.c.id, users.c.email):
        row = conn.execute(_select_user.where(column == name)).one_or_none()
        if row is not None:
            return _user(row)
    raise NoSuchUser(name)


def find_user_by_id(conn: Connection, user_id: str) -> User:
    """Raises NoSuchUser."""
    row = conn.execute(_select_user.where(users.c.id == user_id)).one_or_none()
    if row is None:
        raise NoSuchUser(user_id)
    return _user(row)


def find_root(conn: Connection, name: str, *, may_be_deleted: bool = False) -> User:
    """A user that an account belongs to, and so can own buckets."""
    user = find_user(conn, name)
    if user.deleted_at is not None and not may_be_deleted:
        raise Deleted(user.name)
    if user.account_owner is not None:
        raise IdentityError(f"{user.name} is in the account of {user.account_owner}: name that user instead")
    return user


def lock_user(conn: Connection, user: User) -> None:
    """Until the end of the transaction. SQLite needs no such lock: it has one writer."""
    if conn.execute(select(users.c.id).where(users.c.id == user.id).with_for_update()).one_or_none() is None:
        raise NoSuchUser(user.name)


def public_access_block(conn: Connection, root_id: str) -> int:
    """Of the account: a set of bits (access/public_access_block.py)."""
    return int(conn.execute(select(users.c.public_access_block).where(users.c.id == root_id)).scalar_one())


def set_public_access_block(conn: Connection, root: User, block: int) -> None:
    """Each request reads it with the row of its bucket, so it counts from the next one on."""
    conn.execute(update(users).where(users.c.id == root.id).values(public_access_block=block))


def names_by_canonical_id(conn: Connection, canonical_ids: Collection[str]) -> dict[str, str]:
    """The display names of those that are there: of accounts, which is whom a canonical ID names."""
    statement = select(users.c.canonical_id, users.c.display_name).where(
        users.c.canonical_id.in_(canonical_ids), users.c.account_owner_id.is_(None)
    )
    return {row.canonical_id: row.display_name for row in conn.execute(statement).all()}


def ids_of_principals(conn: Connection, named: Collection[tuple[str, str]]) -> list[tuple[str, str, str]]:
    """Of (account, name or id) those that are users now, with their ids; "" is any account."""
    names = {name for _, name in named}
    columns = users.c.name, accounts.c.account_id, users.c.id
    join = select(*columns).join_from(
        users, accounts, accounts.c.id == func.coalesce(users.c.account_owner_id, users.c.id)
    )
    rows = conn.execute(join.where(users.c.name.in_(names) | users.c.id.in_(names))).all() if named else []
    found = {row.id: row for row in rows} | {row.name: row for row in rows}
    return [
        (account, name, found[name].id)
        for account, name in sorted(named)
        if name in found and account in ("", found[name].account_id)
    ]


def canonical_id_of(conn: Connection, user_id: str) -> str:
    """ "" for a user that is gone."""
    found = conn.execute(select(users.c.canonical_id).where(users.c.id == user_id)).scalar_one_or_none()
    return "" if found is None else str(found)


def list_users(conn: Connection) -> list[User]:
    return [_user(row) for row in conn.execute(_select_user.order_by(users.c.name)).all()]


def has_users(conn: Connection) -> bool:
    return conn.execute(select(users.c.id).limit(1)).one_or_none() is not None


def create_user(
    conn: Connection,
    *,
    name: str,
    email: str | None = None,
    display_name: str | None = None,
    role: str = "user",
    password_hash: str | None = None,
    account: str | None = None,
    storage_quota: int | None = None,
) -> User:
    """A user without an access key yet: the root of an account of its own, or in that of the user `account`."""
    _check_user(name=name, email=email, role=role)
    user_names.require_free(conn, name)
    owner = None if account is None else find_root(conn, account)
    if owner is not None:
        lock_user(conn, owner)
        _check_role_in_account(name, role)
    at = now(conn)
    user = User(
        id=str(uuid.uuid4()),
        canonical_id=secrets.token_hex(32),
        account_id=_new_account_id(conn),
        name=name,
        email=email,
        display_name=name if display_name is None else display_name,
        role=role,
        is_enabled=True,
        created_at=at,
        account_owner_id=None if owner is None else owner.id,
        updated_at=at,
        storage_quota=storage_quota,
    )
    values = user._asdict() | {"is_enabled": 1, "password_hash": password_hash}
    del values["account_owner"]
    try:
        conn.execute(insert(users).values(values))
    except IntegrityError:
        raise _taken(name, email) from None
    return find_user_by_id(conn, user.id)


def update_user(conn: Connection, name: str, /, **changes: str | None) -> User:
    """Change `name`, `email` ('' takes it away), `display_name`, `role` or `password_hash`."""
    return change_user(conn, find_user(conn, name), **changes)


def change_user(conn: Connection, user: User, /, **changes: str | None) -> User:
    """As `update_user`, of a user that was found in this transaction. Links end that were sent to another address, or
    were to set another password.
    """
    if user.deleted_at is not None:
        raise Deleted(user.name)
    email, name = changes.get("email"), changes.get("name")
    if name == user.name:  # an older one may be what no new one can be
        name = None
    _check_user(name=name, email=email or None, role=changes.get("role"))
    if name is not None:
        user_names.require_free(conn, name, user.id)
    if email == "":
        changes["email"] = None
    if changes.get("role", "admin") != "admin":
        keep_an_admin(conn, user)
    if user.account_owner is not None:
        _check_role_in_account(user.name, changes.get("role"))
    if not changes:
        return user
    unconfirmed = {"email_verified_at": None} if has_another_address(user, changes) else {}
    try:
        conn.execute(update(users).where(users.c.id == user.id).values(updated_at=now(conn), **changes, **unconfirmed))
    except IntegrityError:
        raise _taken(name or user.name, email) from None
    if unconfirmed:
        one_time_tokens.end_links(conn, user.id, "verify", "reset")
        one_time_tokens.trust_address(conn, user.id)
    elif "password_hash" in changes:
        one_time_tokens.end_links(conn, user.id, "reset")
    return find_user_by_id(conn, user.id)


def set_password(conn: Connection, name: str, password_hash: str) -> User:
    """Of a user by name, id or e-mail address, by somebody who needn't know the old one: all its sessions end."""
    user = change_user(conn, find_user(conn, name), password_hash=password_hash)
    sessions.end_all(conn, user.id, "password")
    return user


def has_another_address(user: User, changes: Mapping[str, str | None]) -> bool:
    """Than before: nobody has confirmed it yet, whoever changes it."""
    return "email" in changes and (changes["email"] or "").lower() != (user.email or "").lower()


def set_user_enabled(conn: Connection, name: str, is_enabled: bool) -> User:
    """By name, id or e-mail address, as `enable_user`."""
    return enable_user(conn, find_user(conn, name), is_enabled)


def enable_user(conn: Connection, user: User, is_enabled: bool) -> User:
    """The keys of a disabled user, and of all in its account, are of no use; they work again when it is enabled. Their
    sessions end.
    """
    if user.deleted_at is not None:
        raise Deleted(user.name)
    if not is_enabled:
        keep_an_admin(conn, user)
        sessions.end_all(conn, user.id, "revoked")
        sessions.end_of_account(conn, user.id)
    conn.execute(update(users).where(users.c.id == user.id).values(is_enabled=int(is_enabled), updated_at=now(conn)))
    return find_user_by_id(conn, user.id)


# Access keys


def check_access_key(access_key_id: str, secret_access_key: str) -> None:
    if _ACCESS_KEY_ID.fullmatch(access_key_id) is None:
        raise IdentityError("an access key ID has 3 to 128 of the characters A-Z a-z 0-9 _ . + = @ -")
    if _SECRET_ACCESS_KEY.fullmatch(secret_access_key) is None:
        raise IdentityError("a secret access key has 8 to 128 printable ASCII characters and no space")


def create_key(
    conn: Connection,
    *,
    user: str,
    access_key_id: str,
    sealed_secret: bytes,
    description: str = "",
    expires_at: int | None = None,
) -> Key:
    owner = find_user(conn, user)
    if owner.deleted_at is not None:
        raise Deleted(owner.name)
    key = Key(access_key_id, owner.name, description, True, expires_at, now(conn), None, owner.id)
    values = key._asdict() | {"sealed_secret": sealed_secret, "is_enabled": 1}
    del values["user"]
    try:
        conn.execute(insert(access_keys).values(values))
    except IntegrityError:
        raise AlreadyThere(f"there is already an access key {access_key_id}") from None
    return key


def any_sealed_secret(conn: Connection) -> tuple[str, bytes] | None:
    """Access key ID and sealed secret of some key, to see whether we have the right master key."""
    row = _any_sealed_secret.one_or_none(conn)
    if row is None:
        return None
    access_key_id, sealed_secret = row
    return access_key_id, bytes(sealed_secret)


def find_key(conn: Connection, access_key_id: str) -> Key:
    row = conn.execute(_select_key.where(access_keys.c.access_key_id == access_key_id)).one_or_none()
    if row is None:
        raise NoSuchAccessKey(access_key_id)
    return _key(row)


def list_keys(conn: Connection, user: str | None = None) -> list[Key]:
    statement = _select_key.order_by(users.c.name, access_keys.c.created_at)
    if user is not None:
        statement = statement.where(access_keys.c.user_id == find_user(conn, user).id)
    return [_key(row) for row in conn.execute(statement).all()]


def page_of_keys(conn: Connection, user_id: str, offset: int, limit: int) -> tuple[list[Key], int]:
    """In the order in which they were made, and how many there are in all."""
    total = conn.execute(select(func.count()).where(access_keys.c.user_id == user_id, _is_shown)).scalar_one()
    statement = _select_key.where(users.c.id == user_id).order_by(access_keys.c.created_at, access_keys.c.access_key_id)
    return [_key(row) for row in conn.execute(statement.offset(offset).limit(limit)).all()], total


def update_key(conn: Connection, access_key_id: str, /, **changes: Any) -> Key:
    """Change `description`, `expires_at` (None: never) or `is_enabled`."""
    find_key(conn, access_key_id)
    if "is_enabled" in changes:
        changes["is_enabled"] = int(changes["is_enabled"])
    if changes:
        conn.execute(update(access_keys).where(access_keys.c.access_key_id == access_key_id).values(changes))
    return find_key(conn, access_key_id)


def delete_key(conn: Connection, access_key_id: str) -> Key:
    """With its policies."""
    key = find_key(conn, access_key_id)
    identity_policies.forget(conn, "key", access_key_id)
    conn.execute(delete(access_keys).where(access_keys.c.access_key_id == access_key_id))
    return key


def _user(row: Row[Any]) -> User:
    user = User._make(row)
    owner = None if user.account_owner_id is None else user.account_owner
    return user._replace(is_enabled=bool(user.is_enabled), account_owner=owner)


def _key(row: Row[Any]) -> Key:
    key = Key._make(row)
    return key._replace(is_enabled=bool(key.is_enabled))


def _check_user(*, name: str | None, email: str | None, role: str | None) -> None:
    if name is not None:
        user_names.check_user_name(name)
    if email is not None and _EMAIL.fullmatch(email) is None:
        raise IdentityError(f"{email} is not an e-mail address")
    if role is not None and role not in ROLES:
        raise IdentityError(f"a role is one of {', '.join(ROLES)}")


def _check_role_in_account(name: str, role: str | None) -> None:
    """What a user of an account may do is what policies say; those of an admin would have no effect."""
    if role not in (None, "user"):
        raise IdentityError(f"{name} can't be {role} in another's account: who looks after the store has its own")


def keep_an_admin(conn: Connection, user: User) -> None:
    """Refuse to lose the last admin: nobody could manage users then. The rows of all are locked until the end of the
    transaction, so that two of them can't lose each other at the same time.
    """
    if user.role != "admin":
        return
    admins = select(users.c.id).where(users.c.role == "admin", users.c.is_enabled == 1, users.c.deleted_at.is_(None))
    found = conn.execute(admins.order_by(users.c.id).with_for_update()).all()
    if not any(row.id != user.id for row in found):
        raise LastAdmin(f"{user.name} is the only admin who can log in")


def _new_account_id(conn: Connection) -> str:
    while True:
        account_id = str(secrets.randbelow(9 * 10**11) + 10**11)
        if not conn.execute(select(users.c.id).where(users.c.account_id == account_id)).all():
            return account_id


def _taken(name: str, email: str | None) -> AlreadyThere:
    """Names were looked at before, so it is the address where there is one."""
    if not email:
        return AlreadyThere(f"there is already a user with the name {name}", faults=(Fault("username", "is taken"),))
    return AlreadyThere(f"there is already a user with the address {email}", faults=(Fault("email", "is taken"),))
