"""SQL of the store's identity: the name that a database and its folder of blobs share (processes/first_start.py)."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert as insert_on_conflict  # SQLite has the same

from s3gw.metadata.database import Connection
from s3gw.metadata.schema import settings

_NAME = "store"


def known(conn: Connection) -> str | None:
    """None before the first start with this database."""
    value: str | None = conn.execute(select(settings.c.value).where(settings.c.name == _NAME)).scalar_one_or_none()
    return value


def adopt(conn: Connection, identity: str) -> str | None:
    """Store this identity unless there is one; return the stored one."""
    conn.execute(insert_on_conflict(settings).values(name=_NAME, value=identity).on_conflict_do_nothing())
    return known(conn)
