"""SQL of the console's sessions. Each is a session as the API's are, so all that ends those ends it; but what goes on
with it is a cookie, of which the SHA-256 is stored, and no refresh token.
"""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import bindparam, delete, insert, select, update

from s3gw.metadata import sessions as all_sessions
from s3gw.metadata.database import Connection, now
from s3gw.metadata.prepared import Prepared
from s3gw.metadata.schema import console_sessions, refresh_tokens, sessions, users

_SECOND = 1_000_000


class Limits(NamedTuple):
    """In seconds: without a request, and in all."""

    idle: float
    lifetime: float


class ConsoleSession(NamedTuple):
    """Times in microseconds since the epoch."""

    session_id: str
    user_id: str
    last_used_at: int
    role: str
    seen_at: int


_find = Prepared(
    select(sessions.c.id, sessions.c.user_id, sessions.c.last_used_at, users.c.role)
    .join_from(console_sessions, sessions, console_sessions.c.session_id == sessions.c.id)
    .join(users, users.c.id == sessions.c.user_id)
    .where(
        console_sessions.c.digest == bindparam("digest"),
        sessions.c.ended_at.is_(None),
        sessions.c.expires_at > bindparam("at"),
    )
)


def find(conn: Connection, digest: bytes) -> ConsoleSession | None:
    """While it lasts. Whether its user is active the API asks."""
    at = now(conn)
    row = _find.one_or_none(conn, digest=digest, at=at)
    return None if row is None else ConsoleSession._make((*row, at))


def begin(conn: Connection, session_id: str, digest: bytes, limits: Limits, before: bytes | None) -> None:
    """Make a session that has just begun the console's. That which the browser had `before` ends."""
    if before is not None:
        old = select(console_sessions.c.session_id).where(console_sessions.c.digest == before)
        found = conn.execute(old).scalar_one_or_none()
        if found is not None:
            all_sessions.end(conn, found, "logout")
    at = now(conn)
    ends_at = at + int(limits.lifetime * _SECOND)
    conn.execute(delete(refresh_tokens).where(refresh_tokens.c.session_id == session_id))
    conn.execute(insert(console_sessions).values(digest=digest, session_id=session_id, ends_at=ends_at))
    _use(conn, session_id, at, min(at + int(limits.idle * _SECOND), ends_at))


def go_on(conn: Connection, digest: bytes, limits: Limits) -> None:
    """It was used now. One that has expired meanwhile stays so."""
    found = conn.execute(select(console_sessions).where(console_sessions.c.digest == digest)).one_or_none()
    at = now(conn)
    if found is not None:
        _use(conn, found.session_id, at, min(at + int(limits.idle * _SECOND), found.ends_at))


def _use(conn: Connection, session_id: str, at: int, expires_at: int) -> None:
    lasting = (sessions.c.id == session_id, sessions.c.expires_at > at, sessions.c.last_used_at <= at)
    conn.execute(update(sessions).where(*lasting).values(last_used_at=at, expires_at=expires_at))
