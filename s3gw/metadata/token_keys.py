"""SQL of the keys that access tokens are signed with. They arrive sealed (auth/credentials.py)."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import delete, insert, select

from s3gw.metadata.database import Connection, now
from s3gw.metadata.schema import token_keys


class TokenKey(NamedTuple):
    id: str
    sealed: bytes
    created_at: int


def newest_first(conn: Connection) -> list[TokenKey]:
    rows = conn.execute(select(token_keys).order_by(token_keys.c.created_at.desc(), token_keys.c.id)).all()
    return [TokenKey(row.id, bytes(row.sealed), row.created_at) for row in rows]


def add(conn: Connection, key_id: str, sealed: bytes) -> None:
    """From now on it signs."""
    conn.execute(insert(token_keys).values(id=key_id, sealed=sealed, created_at=now(conn)))


def adopt(conn: Connection, key_id: str, sealed: bytes) -> list[TokenKey]:
    """All keys; the given one is added where there is none, by one of those who start together."""
    found = newest_first(conn)
    if not found:
        add(conn, key_id, sealed)
        found = newest_first(conn)
    return found


def forget_before(conn: Connection, at: int) -> int:
    """Delete those made before `at` (microseconds), but the newest; how many."""
    newest = newest_first(conn)[:1]
    old = token_keys.c.created_at < at
    return conn.execute(delete(token_keys).where(old, token_keys.c.id.not_in([key.id for key in newest]))).rowcount
