"""SQL of service accounts: users in another's account who have neither password nor e-mail address, so that nobody can
log in as one. Programs use their access keys.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, func, select

from s3gw.metadata import identities
from s3gw.metadata.database import Connection
from s3gw.metadata.identities import User
from s3gw.metadata.schema import users

_THEY = (
    users.c.account_owner_id.is_not(None),
    users.c.password_hash.is_(None),
    users.c.email.is_(None),
    users.c.deleted_at.is_(None),
)


def page(conn: Connection, root_id: str | None, offset: int, limit: int) -> tuple[list[User], int]:
    """By name, and how many there are in all; of one account, or of all for None."""
    wanted = _in_account(root_id)
    total = conn.execute(select(func.count()).select_from(users).where(*wanted)).scalar_one()
    ids = conn.execute(select(users.c.id).where(*wanted).order_by(users.c.name).offset(offset).limit(limit)).scalars()
    return [identities.find_user_by_id(conn, user_id) for user_id in ids.all()], int(total)


def find(conn: Connection, user_id: str) -> User:
    """Raises NoSuchUser for a user too who is none."""
    if conn.execute(select(users.c.id).where(users.c.id == user_id, *_THEY)).one_or_none() is None:
        raise identities.NoSuchUser(user_id)
    return identities.find_user_by_id(conn, user_id)


def _in_account(root_id: str | None) -> tuple[ColumnElement[bool], ...]:
    return _THEY if root_id is None else (*_THEY, users.c.account_owner_id == root_id)
