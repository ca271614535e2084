"""SQL of logging in: whose password it is, and what is kept of a user beside the row itself."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import bindparam, select, update

from s3gw.metadata import identities, one_time_tokens
from s3gw.metadata.active_users import IS_ACTIVE
from s3gw.metadata.database import Connection, now
from s3gw.metadata.identities import User
from s3gw.metadata.prepared import Prepared
from s3gw.metadata.schema import users


class Login(NamedTuple):
    """`password_hash` is None of a user who has no password."""

    user_id: str
    password_hash: str | None


_active = select(users.c.id, users.c.password_hash).where(IS_ACTIVE)
_by_name = Prepared(_active.where(users.c.name == bindparam("wanted")))
_by_email = Prepared(_active.where(users.c.email == bindparam("wanted")))


def find_login(conn: Connection, name: str) -> Login | None:
    """Of an active user: by name, else by e-mail address, which contains an @."""
    for statement, wanted in ((_by_name, name), (_by_email, name.lower())) if "@" in name else ((_by_name, name),):
        row = statement.one_or_none(conn, wanted=wanted)
        if row is not None:
            return Login._make(row)
    return None


def find_by_id(conn: Connection, user_id: str) -> Login | None:
    row = conn.execute(_active.where(users.c.id == user_id)).one_or_none()
    return None if row is None else Login(row.id, row.password_hash)


def find_by_email(conn: Connection, email: str, *, confirmed: bool = False) -> User | None:
    """Whoever is active and has this address, and where asked has confirmed it. Nobody whose address isn't trusted yet
    (one_time_tokens.py): this is asked where having the address lets somebody in.
    """
    wanted = [users.c.email == email, IS_ACTIVE]
    if confirmed:
        wanted.append(users.c.email_verified_at.is_not(None))
    row = conn.execute(select(users.c.id).where(*wanted)).one_or_none()
    if row is None or not one_time_tokens.is_trusted(conn, row.id):
        return None
    return identities.find_user_by_id(conn, row.id)


def is_verified(conn: Connection, user_id: str) -> bool:
    """Whether its address is confirmed. Who has none was made by who runs the server."""
    row = conn.execute(select(users.c.email, users.c.email_verified_at).where(users.c.id == user_id)).one()
    return row.email is None or row.email_verified_at is not None


def confirm_address(conn: Connection, user_id: str, email: str) -> bool:
    """Whether it still is the user's."""
    at, this = now(conn), (users.c.id == user_id, users.c.email == email)
    return bool(conn.execute(update(users).where(*this).values(email_verified_at=at, updated_at=at)).rowcount)


def still_holds(conn: Connection, login: Login) -> bool:
    """Whether the user is active and has the same password as when it was compared. Locks the row until the end of the
    transaction, so that a password that is changed ends the session that begins here.
    """
    row = conn.execute(_active.where(users.c.id == login.user_id).with_for_update()).one_or_none()
    return row is not None and row.password_hash == login.password_hash


def renew_hash(conn: Connection, login: Login, password_hash: str) -> bool:
    """The same password under other parameters, or another password; not where it was changed meanwhile."""
    same = (users.c.id == login.user_id, users.c.password_hash == login.password_hash)
    return bool(conn.execute(update(users).where(*same).values(password_hash=password_hash)).rowcount)
