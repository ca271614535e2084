"""SQL of tokens that work once: of e-mail verification, of a password's reset, of an invitation.

They are stored as SHA-256, and using one is one step with what it allows: the same transaction.
"""

from __future__ import annotations

import hashlib
import uuid
from typing import Any, Literal, NamedTuple

from sqlalchemy import ColumnElement, Row, Select, delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as insert_on_conflict  # SQLite has the same

from s3gw.metadata.database import Connection, now
from s3gw.metadata.schema import one_time_tokens, users

Purpose = Literal["verify", "reset", "invite"]  # of links; "oidc" is that of a login at an issuer
_UNPROVEN = "unproven"  # of a row that nobody has a token of: as long as it lasts, the user's address lets nobody in


class OneTimeToken(NamedTuple):
    """`user_id` is None of an invitation; `email` is the address that it is about, where there is one."""

    user_id: str | None
    email: str | None


class Invitation(NamedTuple):
    """One that can still be used. `created_by` is a name; None: the command line, or a user who is gone."""

    id: str
    email: str | None
    created_by: str | None
    created_at: int
    expires_at: int


def id_of(digest: bytes) -> str:
    """What it is called where its token mustn't be told."""
    return str(uuid.UUID(bytes=bytes(digest[:16])))


def list_invitations(conn: Connection) -> list[Invitation]:
    """In the order in which they were made."""
    return [_invitation(row) for row in conn.execute(_invitations(now(conn))).all()]


def page_of_invitations(conn: Connection, offset: int, limit: int) -> tuple[list[Invitation], int]:
    """Of `list_invitations`, and how many there are in all."""
    usable = _invitations(now(conn))
    total = conn.execute(select(func.count()).select_from(usable.subquery())).scalar_one()
    return [_invitation(row) for row in conn.execute(usable.offset(offset).limit(limit)).all()], int(total)


def revoke_invitation(conn: Connection, invitation_id: str) -> Invitation | None:
    """None where there is none of that id."""
    for row in conn.execute(_invitations(now(conn))).all():
        if id_of(row.digest) == invitation_id:
            conn.execute(delete(one_time_tokens).where(one_time_tokens.c.digest == row.digest))
            return _invitation(row)
    return None


def _invitation(row: Row[Any]) -> Invitation:
    return Invitation(id_of(row.digest), row.email, row.name, row.created_at, row.expires_at)


def _invitations(at: int) -> Select[Any]:
    token = one_time_tokens.c
    usable = (token.purpose == "invite", token.used_at.is_(None), token.expires_at > at)
    return (
        select(
            one_time_tokens.c.digest,
            one_time_tokens.c.email,
            users.c.name,
            one_time_tokens.c.created_at,
            one_time_tokens.c.expires_at,
        )
        .select_from(one_time_tokens.outerjoin(users, users.c.id == one_time_tokens.c.created_by))
        .where(*usable)
        .order_by(one_time_tokens.c.created_at, one_time_tokens.c.digest)
    )


def create(
    conn: Connection,
    digest: bytes,
    purpose: Purpose,
    *,
    lifetime: int,
    user_id: str | None = None,
    email: str | None = None,
    created_by: str | None = None,
) -> int:
    """`lifetime` in seconds. Earlier ones of the user for the same purpose end. Gives when it expires."""
    at = now(conn)
    if user_id is not None:
        earlier = (one_time_tokens.c.user_id == user_id, one_time_tokens.c.purpose == purpose)
        conn.execute(delete(one_time_tokens).where(*earlier))
    values = {"digest": digest, "purpose": purpose, "user_id": user_id, "email": email, "created_by": created_by}
    expires_at = at + lifetime * 1_000_000
    conn.execute(insert(one_time_tokens).values(**values, created_at=at, expires_at=expires_at))
    return expires_at


def end_links(conn: Connection, user_id: str, *purposes: Purpose) -> None:
    """Those of the user for these purposes, used or not."""
    token = one_time_tokens.c
    conn.execute(delete(one_time_tokens).where(token.user_id == user_id, token.purpose.in_(purposes)))


def distrust_address(conn: Connection, user_id: str, *, lifetime: int) -> None:
    """For so many seconds, from now on."""
    trust_address(conn, user_id)
    at, digest = now(conn), hashlib.sha256(f"{_UNPROVEN} {user_id}".encode()).digest()
    values = {"digest": digest, "purpose": _UNPROVEN, "user_id": user_id, "created_at": at}
    conn.execute(insert(one_time_tokens).values(**values, expires_at=at + lifetime * 1_000_000))


def trust_address(conn: Connection, user_id: str) -> None:
    conn.execute(delete(one_time_tokens).where(*_unproven(user_id)))


def is_trusted(conn: Connection, user_id: str) -> bool:
    lasting = select(one_time_tokens.c.digest).where(*_unproven(user_id), one_time_tokens.c.expires_at > now(conn))
    return conn.execute(lasting).one_or_none() is None


def _unproven(user_id: str) -> tuple[ColumnElement[bool], ...]:
    return one_time_tokens.c.user_id == user_id, one_time_tokens.c.purpose == _UNPROVEN


def use(conn: Connection, digest: bytes, purpose: Purpose) -> OneTimeToken | None:
    """None where there is no such token, or it has been used or has expired."""
    at = now(conn)
    if not conn.execute(update(one_time_tokens).where(*_good(digest, purpose, at)).values(used_at=at)).rowcount:
        return None
    row = conn.execute(select(one_time_tokens).where(one_time_tokens.c.digest == digest)).one()
    return OneTimeToken(row.user_id, row.email)


def find_good(conn: Connection, digest: bytes, purpose: Purpose) -> OneTimeToken | None:
    """What `use` would give: to be asked before what takes long, and doesn't stand for it."""
    row = conn.execute(select(one_time_tokens).where(*_good(digest, purpose, now(conn)))).one_or_none()
    return None if row is None else OneTimeToken(row.user_id, row.email)


def _good(digest: bytes, purpose: Purpose, at: int) -> tuple[ColumnElement[bool], ...]:
    return (
        one_time_tokens.c.digest == digest,
        one_time_tokens.c.purpose == purpose,
        one_time_tokens.c.used_at.is_(None),
        one_time_tokens.c.expires_at > at,
    )


def use_unseen(conn: Connection, digest: bytes, purpose: Literal["oidc"], *, lifetime: int) -> bool:
    """Whether this one, which nobody has stored, is used for the first time; `lifetime` in seconds is how long that is
    remembered.
    """
    at = now(conn)
    values = {"digest": digest, "purpose": purpose, "created_at": at, "used_at": at}
    statement = insert_on_conflict(one_time_tokens).values(**values, expires_at=at + lifetime * 1_000_000)
    stored = statement.on_conflict_do_nothing().returning(one_time_tokens.c.digest)
    return bool(conn.execute(stored).all())
