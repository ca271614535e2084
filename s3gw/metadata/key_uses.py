"""SQL of when access keys were used last."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import update

from s3gw.metadata.database import Connection
from s3gw.metadata.schema import access_keys


def note_uses(conn: Connection, uses: Mapping[str, int], within: int) -> None:
    """When keys were used last, in microseconds; not where what is written is no older than `within`."""
    for access_key_id, at in sorted(uses.items()):  # in one order, so that two processes don't wait for each other
        is_old = access_keys.c.last_used_at.is_(None) | (access_keys.c.last_used_at <= at - within)
        statement = update(access_keys).where(access_keys.c.access_key_id == access_key_id, is_old)
        conn.execute(statement.values(last_used_at=at))
