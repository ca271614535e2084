"""SQL of users as an admin sees them: pages of them, those that were deleted and can still be restored among them."""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import Select, and_, func, or_, select

from s3gw.metadata import identities
from s3gw.metadata.database import Connection
from s3gw.metadata.identities import User
from s3gw.metadata.schema import users


class Wanted(NamedTuple):
    """Which users; None: whatever it is. `search` is a part of the name or of the e-mail address."""

    search: str | None = None
    role: str | None = None
    is_active: bool | None = None
    is_deleted: bool = False


def page_of(conn: Connection, wanted: Wanted, *, after: str | None, offset: int, limit: int) -> tuple[list[User], int]:
    """By name: `limit` of them behind the name `after` or from `offset` on, and how many there are in all."""
    narrowed = _narrowed(select(users.c.id, users.c.name), wanted)
    total = conn.execute(select(func.count()).select_from(narrowed.subquery())).scalar_one()
    ids = narrowed.order_by(users.c.name).limit(limit)
    ids = ids.where(users.c.name > after) if after is not None else ids.offset(offset)
    return [identities.find_user_by_id(conn, row.id) for row in conn.execute(ids).all()], int(total)


def _narrowed(statement: Select[Any], wanted: Wanted) -> Select[Any]:
    if wanted.search is not None:
        part = wanted.search.lower()
        named = (
            func.lower(users.c.name).contains(part, autoescape=True),
            users.c.email.contains(part, autoescape=True),
        )
        statement = statement.where(or_(*named))
    if wanted.role is not None:
        statement = statement.where(users.c.role == wanted.role)
    if wanted.is_active is not None:
        active = and_(users.c.is_enabled == 1, users.c.deleted_at.is_(None))
        statement = statement.where(active if wanted.is_active else ~active)
    deleted = users.c.deleted_at
    return statement.where(deleted.is_not(None) if wanted.is_deleted else deleted.is_(None))


def canonical_id_of_account(conn: Connection, name: str) -> str | None:
    """Of the account whose first user has this name; None: there is none."""
    statement = select(users.c.canonical_id).where(
        users.c.name == name, users.c.account_owner_id.is_(None), users.c.deleted_at.is_(None)
    )
    found: str | None = conn.execute(statement).scalar_one_or_none()
    return found
