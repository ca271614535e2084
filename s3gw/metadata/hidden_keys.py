"""SQL of hidden access keys: each has signed one URL, or those of one upload, and nobody is told its secret.

It has a policy that narrows it to that operation and object, expires, and ends with the session that asked for it: it
is deleted in the transaction that ends the session. No list of keys shows it.
"""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Select, delete, func, insert, select

from s3gw.metadata.database import Connection, now
from s3gw.metadata.schema import access_keys, identity_policies, sessions
from s3gw.problems import Conflict, NotAuthenticated

MOST = 10_000  # of a session at a time

_is_hidden = access_keys.c.session_id.is_not(None)


class HiddenKey(NamedTuple):
    """`policy`: JSON; `expires_at`: microseconds."""

    access_key_id: str
    user_id: str
    session_id: str
    policy: str
    expires_at: int


def create(conn: Connection, key: HiddenKey, sealed_secret: bytes) -> None:
    """Raises NotAuthenticated where the session has ended, and Conflict where it has too many."""
    lasting = select(sessions.c.id).where(sessions.c.id == key.session_id, sessions.c.ended_at.is_(None))
    if conn.execute(lasting.with_for_update()).one_or_none() is None:
        raise NotAuthenticated("the session has ended")
    at = now(conn)
    of_session = (access_keys.c.session_id == key.session_id, access_keys.c.expires_at > at)
    if conn.execute(select(func.count()).where(*of_session)).scalar_one() >= MOST:
        raise Conflict(f"a session has at most {MOST} signed URLs at a time")
    values = {name: getattr(key, name) for name in ("access_key_id", "user_id", "session_id", "expires_at")}
    row = {"sealed_secret": sealed_secret, "description": "", "is_enabled": 1, "created_at": at}
    conn.execute(insert(access_keys).values(values | row | {"rules_revision": key.access_key_id}))
    policy = {"holder_kind": "key", "holder_id": key.access_key_id, "name": "url"}
    conn.execute(insert(identity_policies).values({**policy, "document": key.policy, "created_at": at}))


def end_of(conn: Connection, of_sessions: Select[tuple[str]]) -> None:
    """Of those sessions, given by their ids."""
    _delete(conn, select(access_keys.c.access_key_id).where(_is_hidden, access_keys.c.session_id.in_(of_sessions)))


def forget(conn: Connection, before: int, limit: int) -> int:
    """Delete at most `limit` that expired before a time; how many."""
    old = select(access_keys.c.access_key_id).where(_is_hidden, access_keys.c.expires_at < before).limit(limit)
    found = list(conn.execute(old).scalars().all())
    if found:
        _delete(conn, select(access_keys.c.access_key_id).where(access_keys.c.access_key_id.in_(found)))
    return len(found)


def _delete(conn: Connection, ids: Select[tuple[str]]) -> None:
    of_keys = identity_policies.c.holder_kind == "key"
    conn.execute(delete(identity_policies).where(of_keys, identity_policies.c.holder_id.in_(ids)))
    conn.execute(delete(access_keys).where(access_keys.c.access_key_id.in_(ids)))
