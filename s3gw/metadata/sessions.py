"""SQL of sessions: what somebody has logged in to, and the refresh tokens that go on with it.

A token is stored as its SHA-256. Each is good once: using it gives the next. One that was used before was copied, by
whom isn't known, so it ends the session for both.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, bindparam, delete, func, insert, select, update

from s3gw.metadata import hidden_keys
from s3gw.metadata.active_users import IS_ACTIVE
from s3gw.metadata.database import Connection, now
from s3gw.metadata.prepared import Prepared
from s3gw.metadata.schema import refresh_tokens, sessions, users

_accounts = users.alias("accounts")


class SessionUser(NamedTuple):
    """Whose session it is, as a Principal needs it (auth/principal.py)."""

    user_id: str
    canonical_id: str
    account_id: str
    name: str
    role: str
    account_owner_id: str
    rules_revision: str


class Session(NamedTuple):
    """Times in microseconds since the epoch. `ended_because`: logout | revoked | reuse | password | deleted."""

    id: str
    user_id: str
    address: str
    user_agent: str
    created_at: int
    last_used_at: int
    expires_at: int
    ended_at: int | None
    ended_because: str | None


_find_user = Prepared(
    select(
        users.c.id,
        _accounts.c.canonical_id,
        _accounts.c.account_id,
        users.c.name,
        users.c.role,
        _accounts.c.id.label("account_owner_id"),
        users.c.rules_revision,
    )
    .join_from(sessions, users, sessions.c.user_id == users.c.id)
    .join(_accounts, _accounts.c.id == func.coalesce(users.c.account_owner_id, users.c.id))
    .where(
        sessions.c.id == bindparam("session_id"),
        sessions.c.user_id == bindparam("user_id"),
        sessions.c.ended_at.is_(None),
        IS_ACTIVE,
    )
)


def find_user(conn: Connection, session_id: str, user_id: str) -> SessionUser | None:
    """Whoever has this session, while it lasts and the user is active."""
    row = _find_user.one_or_none(conn, session_id=session_id, user_id=user_id)
    return None if row is None else SessionUser._make(row)


def begin(
    conn: Connection, session_id: str, user_id: str, digest: bytes, *, address: str, user_agent: str, lifetime: int
) -> Session:
    """`digest` is that of its first refresh token, `lifetime` in microseconds."""
    at = now(conn)
    session = Session(session_id, user_id, address, user_agent, at, at, at + lifetime, None, None)
    conn.execute(insert(sessions).values(session._asdict()))
    conn.execute(insert(refresh_tokens).values(digest=digest, session_id=session_id, created_at=at))
    return session


def go_on(conn: Connection, digest: bytes, next_digest: bytes, lifetime: int) -> Session | None:
    """Use a refresh token and store the next one. None where it isn't good: unknown, expired, of a session that has
    ended, or used before, which ends the session.
    """
    token = conn.execute(
        select(refresh_tokens).where(refresh_tokens.c.digest == digest).with_for_update()
    ).one_or_none()
    if token is None:
        return None
    at = now(conn)
    session = _session(conn, token.session_id)
    if session.ended_at is not None or session.expires_at <= at or not _is_active(conn, session.user_id):
        return None
    if token.used_at is not None:
        end(conn, session.id, "reuse")
        return None
    conn.execute(update(refresh_tokens).where(refresh_tokens.c.digest == digest).values(used_at=at))
    conn.execute(insert(refresh_tokens).values(digest=next_digest, session_id=session.id, created_at=at))
    conn.execute(update(sessions).where(sessions.c.id == session.id).values(last_used_at=at, expires_at=at + lifetime))
    _forget_tokens(conn, session.id, at - lifetime)
    return _session(conn, session.id)


def _forget_tokens(conn: Connection, session_id: str, before: int) -> None:
    """Those that were used so long ago that they would have expired: a session that lasts for years keeps those of a
    month.
    """
    of_session = (refresh_tokens.c.session_id == session_id, refresh_tokens.c.used_at < before)
    conn.execute(delete(refresh_tokens).where(*of_session))


def session_of(conn: Connection, digest: bytes) -> Session | None:
    """Which session a refresh token is of, used or not."""
    found = conn.execute(
        select(refresh_tokens.c.session_id).where(refresh_tokens.c.digest == digest)
    ).scalar_one_or_none()
    return None if found is None else _session(conn, str(found))


def find(conn: Connection, session_id: str) -> Session | None:
    row = conn.execute(select(sessions).where(sessions.c.id == session_id)).one_or_none()
    return None if row is None else Session._make(row)


def list_active(conn: Connection, user_id: str | None) -> list[Session]:
    """Those that last, the one that was used last first; of all users for None."""
    return [Session._make(row) for row in conn.execute(_in_order(_lasting(conn, user_id))).all()]


def page(conn: Connection, user_id: str, offset: int, limit: int) -> tuple[list[Session], int]:
    """Of `list_active` of the user, and how many there are in all."""
    lasting = _lasting(conn, user_id)
    total = conn.execute(select(func.count()).select_from(lasting.subquery())).scalar_one()
    rows = conn.execute(_in_order(lasting).offset(offset).limit(limit)).all()
    return [Session._make(row) for row in rows], int(total)


def _lasting(conn: Connection, user_id: str | None) -> Select[Any]:
    lasting = select(sessions).where(sessions.c.ended_at.is_(None), sessions.c.expires_at > now(conn))
    return lasting if user_id is None else lasting.where(sessions.c.user_id == user_id)


def _in_order(these: Select[Any]) -> Select[Any]:
    return these.order_by(sessions.c.last_used_at.desc(), sessions.c.id)


def end(conn: Connection, session_id: str, because: str) -> bool:
    """Whether it lasted until now."""
    return _end(conn, sessions.c.id == session_id, because) > 0


def end_of_user(conn: Connection, user_id: str, session_id: str) -> bool:
    """Whether the user had that session, and it lasted until now."""
    owned = select(sessions.c.id).where(sessions.c.id == session_id, sessions.c.user_id == user_id)
    return bool(conn.execute(owned).all()) and end(conn, session_id, "revoked")


def end_all(conn: Connection, user_id: str, because: str, but: str = "") -> int:
    """All sessions of a user but one; how many lasted until now."""
    return _end(conn, (sessions.c.user_id == user_id) & (sessions.c.id != but), because)


def _end(conn: Connection, these: ColumnElement[bool], because: str) -> int:
    """How many of them lasted until now. The URLs that were signed for them end with them."""
    ended = update(sessions).where(these, sessions.c.ended_at.is_(None))
    count = conn.execute(ended.values(ended_at=now(conn), ended_because=because)).rowcount
    hidden_keys.end_of(conn, select(sessions.c.id).where(these))
    return count


def forget(conn: Connection, before: int, limit: int) -> int:
    """Delete at most `limit` sessions that expired before a time, with their tokens; how many."""
    old = select(sessions.c.id).where(sessions.c.expires_at < before).order_by(sessions.c.expires_at).limit(limit)
    found = [row.id for row in conn.execute(old).all()]
    hidden_keys.end_of(conn, select(sessions.c.id).where(sessions.c.id.in_(found)))
    conn.execute(delete(refresh_tokens).where(refresh_tokens.c.session_id.in_(found)))
    conn.execute(delete(sessions).where(sessions.c.id.in_(found)))
    return len(found)


def end_of_account(conn: Connection, owner_id: str) -> None:
    """All sessions of the other users in somebody's account."""
    members = select(users.c.id).where(users.c.account_owner_id == owner_id)
    _end(conn, sessions.c.user_id.in_(members), "revoked")


def forget_of(conn: Connection, user_id: str) -> None:
    of_user = select(sessions.c.id).where(sessions.c.user_id == user_id)
    hidden_keys.end_of(conn, of_user)
    conn.execute(delete(refresh_tokens).where(refresh_tokens.c.session_id.in_(of_user)))
    conn.execute(delete(sessions).where(sessions.c.user_id == user_id))


def _session(conn: Connection, session_id: str) -> Session:
    return Session._make(conn.execute(select(sessions).where(sessions.c.id == session_id)).one())


def _is_active(conn: Connection, user_id: str) -> bool:
    return conn.execute(select(users.c.id).where(users.c.id == user_id, IS_ACTIVE)).one_or_none() is not None
