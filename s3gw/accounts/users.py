"""What is done about users, by themselves or by an admin."""

from __future__ import annotations

from typing import NamedTuple

from s3gw.accounts.etags import require_match
from s3gw.accounts.login import Caller
from s3gw.accounts.own_password import require_password
from s3gw.accounts.passwords import check_password
from s3gw.accounts.registration import normal_email
from s3gw.metadata import audit, deleted_users, identities, logins, one_time_tokens, sessions, user_names
from s3gw.metadata.audit import Actor
from s3gw.metadata.audited import told
from s3gw.metadata.database import Connection
from s3gw.metadata.deleted_users import DataAfter
from s3gw.metadata.identities import IdentityError, User
from s3gw.metadata.logins import Login
from s3gw.metadata.sessions import Session
from s3gw.problems import Conflict, Fault, Invalid, NotFound, PermissionDenied
from s3gw.services import Services

_UNPROVEN = 24 * 3600  # seconds in which an address lets nobody in that was changed without the password


class Changes(NamedTuple):
    """None: as it is. `role` and `is_active` are an admin's to change, and so is an `email` of "", which takes the
    address away; `current_password` is checked where given.
    """

    name: str | None = None
    email: str | None = None
    role: str | None = None
    is_active: bool | None = None
    current_password: str | None = None


class Changed(NamedTuple):
    """What a user is now; `must_confirm`: the address is another one, which nobody has confirmed. `old_email`: what it
    was until then.
    """

    user: User
    must_confirm: bool
    old_email: str | None


async def find(services: Services, caller: Caller, user_id: str) -> User:
    """Oneself, or whoever an admin or auditor asks for. Raises NotFound."""
    _require_sight(caller, user_id)
    return await services.database.read(identities.find_user_by_id, user_id)


def _require_sight(caller: Caller, user_id: str) -> None:
    if user_id != caller.principal.user_id and not caller.principal.sees_all:
        raise NotFound("there is no such user")


def _require_hand(caller: Caller, user_id: str) -> None:
    """Who may change what is about this user."""
    _require_sight(caller, user_id)
    if user_id != caller.principal.user_id and caller.principal.role != "admin":
        raise PermissionDenied("only an admin may do this")


async def create(
    services: Services,
    caller: Caller,
    *,
    name: str,
    email: str,
    password: str | None,
    role: str,
    owner_id: str | None,
) -> User:
    """By an admin. Who has no password logs in when a link has set one. `owner_id`: in whose account; None: its own."""
    address = normal_email(email)
    hashed = None
    if password is not None:
        await check_password(services.passwords, password, (name, address))
        hashed = await services.passwords.hash(password)
    quota = services.settings.default_user_quota

    def write(conn: Connection) -> User:
        user = identities.create_user(
            conn,
            name=name,
            email=address,
            role=role,
            password_hash=hashed,
            account=None if owner_id is None else _account_of(conn, owner_id),
            storage_quota=quota if owner_id is None else None,  # what it stores is its owner's
        )
        told(conn, caller.actor, "user.create", None, user)
        return user

    return await services.database.write(write, keys=(user_names.turn(name),))


def _account_of(conn: Connection, owner_id: str) -> str:
    """What the account is called after. Raises Invalid."""
    try:
        return identities.find_root(conn, identities.find_user_by_id(conn, owner_id).name).name
    except IdentityError as error:
        raise Invalid("there is no such account", faults=(Fault("owner_id", str(error)),)) from None


async def change(services: Services, caller: Caller, user_id: str, changes: Changes, if_match: str | None) -> Changed:
    """Raises NotFound, PermissionDenied, Invalid for what only an admin may change, Conflict (a name that is taken, the
    last admin), and PreconditionFailed where the user isn't any more what `if_match` says.
    """
    _require_hand(caller, user_id)
    reserved = [name for name in ("role", "is_active") if getattr(changes, name) is not None]
    if reserved and caller.principal.role != "admin":
        raise Invalid("only an admin may change this", faults=[Fault(name, "only by an admin") for name in reserved])
    if changes.email == "":
        _require_removable(services, caller)
    elif changes.email is not None:
        changes = await _admitted(services, caller, user_id, changes._replace(email=normal_email(changes.email)))
    turns = () if changes.name is None else (user_names.turn(changes.name),)
    is_proven = user_id != caller.principal.user_id or changes.current_password is not None
    return await services.database.write(_change, caller.actor, user_id, changes, is_proven, if_match, keys=turns)


def _require_removable(services: Services, caller: Caller) -> None:
    """Who has no address can't set a password by a link, so a session alone, which may be stolen, doesn't take it
    away. Who has none may log in without having confirmed one (logins.is_verified), so where that is asked for none is
    taken away. Raises Invalid.
    """
    message = None
    if caller.principal.role != "admin":
        message = "is taken away by an admin only: give another one"
    elif services.settings.require_verified_email:
        message = "can't be taken away while only who has confirmed one may log in"
    if message is not None:
        raise Invalid(f"the e-mail address {message}", faults=(Fault("email", message),))


async def _admitted(services: Services, caller: Caller, user_id: str, changes: Changes) -> Changes:
    """Of an address of one's own the password is checked where it is given. The address that the user has isn't
    written again, since it may be another one by then. Raises Invalid.
    """
    if user_id != caller.principal.user_id:
        return changes
    user = await services.database.read(identities.find_user_by_id, user_id)
    if not identities.has_another_address(user, {"email": changes.email}):
        return changes._replace(email=None)
    if changes.current_password is not None:
        await require_password(services, caller, changes.current_password, "current_password")
    return changes


def _change(
    conn: Connection, actor: Actor, user_id: str, changes: Changes, is_proven: bool, if_match: str | None
) -> Changed:
    """`is_proven`: more than a session shows that it may be so, which somebody may have stolen."""
    user = identities.find_user_by_id(conn, user_id)
    identities.lock_user(conn, user)
    before = user = identities.find_user_by_id(conn, user_id)
    require_match(if_match, etag_of(user))
    given = {"name": changes.name, "email": changes.email, "role": changes.role}
    differs = {name: value for name, value in given.items() if value not in (None, getattr(user, name) or "")}
    user = identities.change_user(conn, user, **differs)
    if changes.is_active is not None and changes.is_active != user.is_enabled:
        user = identities.enable_user(conn, user, changes.is_active)
    if user != before:
        told(conn, actor, "user.update", before, user)
    if not identities.has_another_address(before, {"email": user.email}):
        return Changed(user, False, None)
    if not is_proven:
        one_time_tokens.distrust_address(conn, user.id, lifetime=_UNPROVEN)
    return Changed(user, user.email is not None, before.email)


def etag_of(user: User) -> str:
    """Of what the API tells of a user: it changes whenever that does."""
    return f'"{user.updated_at:x}"'


async def delete(services: Services, caller: Caller, user_id: str, data: DataAfter, password: str | None) -> None:
    """Softly: it can be restored. Who deletes himself gives his password."""
    _require_hand(caller, user_id)
    if user_id == caller.principal.user_id:
        if password is None:
            raise Invalid("deleting oneself needs the password", faults=(Fault("password", "is missing"),))
        await require_password(services, caller, password, "password")
    await services.database.write(deleted_users.delete_softly, caller.actor, user_id, data)


async def restore(services: Services, caller: Caller, user_id: str) -> User:
    return await services.database.write(deleted_users.restore, caller.actor, user_id)


async def sessions_of(
    services: Services, caller: Caller, user_id: str, offset: int, limit: int
) -> tuple[list[Session], int]:
    """A page of them, and how many there are in all."""
    await find(services, caller, user_id)
    return await services.database.read(sessions.page, user_id, offset, limit)


async def end_session(services: Services, caller: Caller, user_id: str, session_id: str) -> None:
    """Raises NotFound for one that doesn't last, or is another's."""
    _require_hand(caller, user_id)
    if not await services.database.write(_end_session, caller.actor, user_id, session_id):
        raise NotFound("there is no such session")


def _end_session(conn: Connection, actor: Actor, user_id: str, session_id: str) -> bool:
    if not sessions.end_of_user(conn, user_id, session_id):
        return False
    audit.record(conn, actor, "session.end", "session", session_id, {"user_id": user_id})
    return True


async def change_password(services: Services, caller: Caller, user_id: str, current: str, new: str) -> None:
    """The caller's own; all its other sessions end. Raises NotFound for another's, and Invalid."""
    if user_id != caller.principal.user_id:
        raise NotFound("there is no such user")
    held = await require_password(services, caller, current, "current_password")
    user = await find(services, caller, user_id)
    await check_password(services.passwords, new, (user.name, user.email), "new_password")
    hashed = await services.passwords.hash(new)
    if not await services.database.write(_change_password, caller, held, hashed):
        raise Conflict("the password was changed meanwhile")


def _change_password(conn: Connection, caller: Caller, held: Login, password_hash: str) -> bool:
    if not logins.renew_hash(conn, held, password_hash):
        return False
    sessions.end_all(conn, held.user_id, "password", but=caller.session_id)
    one_time_tokens.end_links(conn, held.user_id, "reset")
    user = identities.find_user_by_id(conn, held.user_id)
    told(conn, caller.actor, "user.password", user, user)
    return True
