"""SQL of the master key that counts: its id, and what is sealed under others.

Whoever seals reads the id in the transaction that stores what was sealed, and keeps it from being replaced until the
end. So once another one counts, nothing is sealed under the old one any more, whichever keys a process still knows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Column, ColumnElement, LargeBinary, Table, func, select, update
from sqlalchemy.dialects.postgresql import insert as insert_on_conflict  # SQLite has the same

from s3gw.metadata.database import Connection
from s3gw.metadata.schema import access_keys, event_targets, settings, token_keys, users

_NAME = "master_key"
_this = settings.c.name == _NAME
_select_current = select(settings.c.value).where(_this)


class SealedColumn(NamedTuple):
    """A column that is sealed; `id` names its row, and `bound_to` what a value is sealed with beside the key."""

    table: Table
    id: Column[Any]
    sealed: Column[Any]
    bound_to: Callable[[str], str]


def name_of_token_key(key_id: str) -> str:
    return f"token-key/{key_id}"


def name_of_totp(user_id: str) -> str:
    return f"totp/{user_id}"


def name_of_event_target(target_id: str) -> str:
    return f"event-target/{target_id}"


# All that there is. What it is bound to keeps it from being put in the place of another sealed value.
SEALED: tuple[SealedColumn, ...] = (
    SealedColumn(access_keys, access_keys.c.access_key_id, access_keys.c.sealed_secret, str),
    SealedColumn(token_keys, token_keys.c.id, token_keys.c.sealed, name_of_token_key),
    SealedColumn(users, users.c.id, users.c.sealed_totp, name_of_totp),
    SealedColumn(event_targets, event_targets.c.id, event_targets.c.sealed, name_of_event_target),
)


class Value(NamedTuple):
    """Something sealed; `id` is its row's."""

    id: str
    sealed: bytes


def current(conn: Connection) -> str | None:
    """The id; None before a server has started with this database."""
    found: str | None = conn.execute(_select_current).scalar_one_or_none()
    return found


def hold(conn: Connection) -> str | None:
    """As `current`, and it stays until the end of the transaction."""
    found: str | None = conn.execute(_select_current.with_for_update(read=True)).scalar_one_or_none()
    return found


def adopt(conn: Connection, key_id: str) -> str | None:
    """Let this one count unless there is one; give the one that does."""
    conn.execute(insert_on_conflict(settings).values(name=_NAME, value=key_id).on_conflict_do_nothing())
    return current(conn)


def replace(conn: Connection, old: str, new: str) -> bool:
    """Whether it was the old one until now. Those who seal have ended, or wait until the end of the transaction."""
    return bool(conn.execute(update(settings).where(_this, settings.c.value == old).values(value=new)).rowcount)


def count_under_others(conn: Connection, key_id: str) -> int:
    """How many values aren't sealed under this key."""
    counts = (select(func.count()).where(_is_under_another(column, key_id)) for column in SEALED)
    return sum(int(conn.execute(count).scalar_one()) for count in counts)


def under_others(conn: Connection, column: SealedColumn, key_id: str, limit: int) -> Sequence[Value]:
    wanted = select(column.id.label("id"), column.sealed.label("sealed")).where(_is_under_another(column, key_id))
    rows = conn.execute(wanted.order_by(column.id).limit(limit)).all()
    return [Value(str(row.id), bytes(row.sealed)) for row in rows]


def put(conn: Connection, column: SealedColumn, before: Value, sealed: bytes) -> None:
    """Not where it was changed meanwhile."""
    same = (column.id == before.id, column.sealed == before.sealed)
    conn.execute(update(column.table).where(*same).values({column.sealed.name: sealed}))


def _is_under_another(column: SealedColumn, key_id: str) -> ColumnElement[bool]:
    """By the id that a value begins with; those of before had none."""
    prefix = bytes.fromhex(key_id)
    return column.sealed.is_not(None) & (func.substr(column.sealed, 1, len(prefix), type_=LargeBinary) != prefix)
