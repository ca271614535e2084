"""SQL of deleted users: what ends at once, what is kept so that they can be restored, and when they go for good.

The row stays for as long as the user can be restored, and with it name and e-mail address, role, password, groups and
policies. Sessions, access keys, links and grants end with the commit and don't come back. What becomes of buckets and
objects is said in `users.data_after`; jobs/purge_users.py does it.
"""

from __future__ import annotations

import uuid
from typing import NamedTuple

from sqlalchemy import ColumnElement, delete, func, or_, select, true, update

from s3gw.metadata import access_rules, audited_removals, groups, identities, jobs, sessions, share_links
from s3gw.metadata.audit import Actor
from s3gw.metadata.audited import told
from s3gw.metadata.database import Connection, now
from s3gw.metadata.identities import IdentityError, User
from s3gw.metadata.schema import (
    buckets,
    idempotency_keys,
    known_addresses,
    oidc_identities,
    one_time_tokens,
    recovery_codes,
    users,
)
from s3gw.problems import Conflict, Fault, Invalid, NotFound

_TRANSFER = "transfer:"
_BEGUN = "purged:"  # before what was asked for: it can't be restored any more


class DataAfter(NamedTuple):
    """What becomes of the data. `kind`: keep (an admin has it in the end), delete, transfer (to the user `to`)."""

    kind: str
    to: str | None = None

    def __str__(self) -> str:
        return self.kind if self.to is None else f"{_TRANSFER}{self.to}"


class Due(NamedTuple):
    """A user who can't be restored any more."""

    user: User
    data_after: DataAfter
    deleted_by: str


def parse_data_after(text: str) -> DataAfter:
    """keep, delete or transfer:<user id>. Raises Invalid."""
    if text in ("keep", "delete"):
        return DataAfter(text)
    if text.startswith(_TRANSFER):
        try:
            return DataAfter("transfer", str(uuid.UUID(text.removeprefix(_TRANSFER))))
        except ValueError:
            pass
    raise Invalid("data is keep, delete or transfer:<user id>", faults=(Fault("data", "is none of these"),))


def delete_softly(conn: Connection, actor: Actor, user_id: str, data_after: DataAfter) -> User:
    """What is transferred is handed over at once, by a job that this enqueues. Raises NotFound, Invalid, LastAdmin, and
    Conflict while others are in the user's account.
    """
    user = _lock(conn, user_id)
    if user.deleted_at is not None:
        raise NotFound("there is no such user")
    _refuse_members(conn, user, users.c.deleted_at.is_(None))
    identities.keep_an_admin(conn, user)
    if data_after.to is not None:
        require_heir(conn, user, data_after.to)
    at = now(conn)
    gone = {"deleted_at": at, "deleted_by": actor.id, "data_after": str(data_after), "updated_at": at}
    conn.execute(update(users).where(users.c.id == user.id).values(gone))
    told(conn, actor, "user.delete", user, identities.find_user_by_id(conn, user.id))
    _end_at_once(conn, actor, user)
    if data_after.to is not None:
        payload = {"user_id": user.id, "to": data_after.to, "deleted_at": at, "actor": list(actor)}
        jobs.enqueue(conn, "hand_over", payload)
    return identities.find_user_by_id(conn, user.id)


def require_heir(conn: Connection, user: User, heir_id: str) -> None:
    """Whoever is to have the data: the root of another account."""
    try:
        heir = identities.find_user_by_id(conn, heir_id)
    except identities.NoSuchUser:
        raise _no_heir("there is no such user") from None
    if heir.deleted_at is not None or heir.id == user.id:
        raise _no_heir("there is no such user")
    if heir.account_owner is not None:
        raise _no_heir(f"{heir.name} is in the account of {heir.account_owner}: name that user instead")


def _no_heir(message: str) -> Invalid:
    return Invalid(f"the data can't be transferred: {message}", faults=(Fault("data", message),))


def _end_at_once(conn: Connection, actor: Actor, user: User) -> None:
    sessions.end_all(conn, user.id, "deleted")
    by_user = or_(one_time_tokens.c.user_id == user.id, one_time_tokens.c.created_by == user.id)  # invitations too
    conn.execute(delete(one_time_tokens).where(by_user))
    audited_removals.end_keys(conn, actor, user)
    audited_removals.end_grants(conn, actor, user)
    audited_removals.end_links(conn, actor, user)
    access_rules.renew(conn, users, users.c.id == user.id)


def restore(conn: Connection, actor: Actor, user_id: str) -> User:
    """With its buckets, unless they were transferred; it is active if it was. Raises NotFound, and Conflict."""
    before = _lock(conn, user_id)
    if before.deleted_at is None:
        raise Conflict(f"{before.name} isn't deleted")
    if _data_after(conn, user_id).startswith(_BEGUN):
        raise Conflict(f"{before.name} can't be restored any more: its data is being handed over or removed")
    root_id = before.account_owner_id
    if root_id is not None and _lock(conn, root_id).deleted_at is not None:
        raise Conflict(f"{before.name} is in the account of {before.account_owner}, who is deleted: restore that first")
    back = {"deleted_at": None, "deleted_by": None, "data_after": None, "updated_at": now(conn)}
    conn.execute(update(users).where(users.c.id == user_id).values(back))
    user = identities.find_user_by_id(conn, user_id)
    told(conn, actor, "user.restore", before, user)
    return user


def is_deleted(conn: Connection, user_id: str, deleted_at: int) -> bool:
    """Whether it is still so: whoever was restored, and maybe deleted again, is another case. Locks the user."""
    found = select(users.c.deleted_at).where(users.c.id == user_id).with_for_update()
    return bool(conn.execute(found).scalar_one_or_none() == deleted_at)


def due(conn: Connection, before: int) -> list[str]:
    """The ids of those who were deleted before a time: users of accounts first, whose owners may be among them."""
    order = (users.c.account_owner_id.is_(None), users.c.deleted_at)
    return [
        row.id for row in conn.execute(select(users.c.id).where(users.c.deleted_at < before).order_by(*order)).all()
    ]


def begin_purge(conn: Connection, user_id: str, before: int) -> Due | None:
    """From now on it can't be restored. None where it was restored meanwhile. To be repeated after a crash."""
    user = _lock(conn, user_id)
    if user.deleted_at is None or user.deleted_at >= before:
        return None
    asked = _data_after(conn, user_id).removeprefix(_BEGUN)
    conn.execute(update(users).where(users.c.id == user_id).values(data_after=_BEGUN + asked))
    by = conn.execute(select(users.c.deleted_by).where(users.c.id == user_id)).scalar_one()
    return Due(user, parse_data_after(asked), by or "")


def heir_of(conn: Connection, due: Due) -> User:
    """Who gets what is kept: whom it was transferred to, else the admin who deleted, else the first admin. Raises
    Conflict where there is none.
    """
    active = (users.c.is_enabled == 1, users.c.deleted_at.is_(None), users.c.account_owner_id.is_(None))
    admins = select(users.c.id).where(users.c.role == "admin", *active).order_by(users.c.created_at, users.c.id)
    wanted = (
        select(users.c.id).where(users.c.id == due.data_after.to, *active[1:]),
        admins.where(users.c.id == due.deleted_by),
        admins,
    )
    for statement in wanted:
        row = conn.execute(statement.limit(1)).one_or_none()
        if row is not None:
            return identities.find_user_by_id(conn, row.id)
    raise Conflict("there is no admin who could have what is kept")


def end_purge(conn: Connection, actor: Actor, user_id: str) -> None:
    """The row goes, and with it what refers to it; name and e-mail address are free. Raises IdentityError while it owns
    a bucket, or others are in its account.
    """
    user = _lock(conn, user_id)
    refuse_owner(conn, user)
    _refuse_members(conn, user, true())
    for group in groups.of_account(conn, user.id):
        audited_removals.delete_group(conn, actor, group.id)
    _remove(conn, actor, user)
    told(conn, actor, "user.purge", user, None)


def delete_now(conn: Connection, actor: Actor, name: str) -> User:
    """Without a time in which it could be restored. Refused while the user owns a bucket, or its account has other
    users or groups.
    """
    user = _lock(conn, identities.find_user(conn, name).id)
    if user.deleted_at is None:
        identities.keep_an_admin(conn, user)
    refuse_owner(conn, user)
    _refuse_members(conn, user, true())
    _refuse_groups(conn, user)
    _remove(conn, actor, user)
    told(conn, actor, "user.delete", user, None)
    return user


def refuse_owner(conn: Connection, user: User) -> None:
    owned = conn.execute(select(func.count()).select_from(buckets).where(buckets.c.owner_id == user.id)).scalar_one()
    if owned:
        raise IdentityError(
            f"{user.name} owns {owned} bucket{'s' if owned > 1 else ''}: delete them or give them away"
            f" (s3gw bucket list --owner {user.name}, s3gw bucket update NAME --owner USER)"
        )


def _remove(conn: Connection, actor: Actor, user: User) -> None:
    audited_removals.end_keys(conn, actor, user)
    audited_removals.end_policies(conn, actor, user)
    audited_removals.end_grants(conn, actor, user)
    audited_removals.end_links(conn, actor, user)
    audited_removals.end_event_targets(conn, actor, user)
    audited_removals.end_reports(conn, actor, user)
    audited_removals.leave_groups(conn, actor, user)
    share_links.forget_of(conn, user.id)
    sessions.forget_of(conn, user.id)
    of_user = (
        one_time_tokens,
        recovery_codes,
        known_addresses,
        idempotency_keys,
        oidc_identities,
    )
    for table in of_user:
        conn.execute(delete(table).where(table.c.user_id == user.id))
    conn.execute(delete(users).where(users.c.id == user.id))


def _refuse_members(conn: Connection, root: User, condition: ColumnElement[bool]) -> None:
    members = select(func.count()).select_from(users).where(users.c.account_owner_id == root.id, condition)
    _refuse_some(root, conn.execute(members).scalar_one(), "user")


def _refuse_groups(conn: Connection, root: User) -> None:
    _refuse_some(root, len(groups.of_account(conn, root.id)), "group")


def _refuse_some(root: User, count: int, noun: str) -> None:
    if count:
        raise InUse(f"{root.name} has {count} {noun}{'s' if count > 1 else ''} in its account: delete them first")


class InUse(IdentityError):
    status, error_code = Conflict.status, Conflict.error_code


def _lock(conn: Connection, user_id: str) -> User:
    """As it is under the lock. Raises NoSuchUser."""
    identities.lock_user(conn, identities.find_user_by_id(conn, user_id))
    return identities.find_user_by_id(conn, user_id)


def _data_after(conn: Connection, user_id: str) -> str:
    return str(conn.execute(select(users.c.data_after).where(users.c.id == user_id)).scalar_one() or "keep")
