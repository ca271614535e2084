"""SQL of refused logins in the audit log: the first ten of a minute have lines of their own, the others one together.

Whoever guesses could fill the log otherwise. How many there were is what the limits count (failed_attempts.py); those
that are too many are counted here, by name or by address, and become a line when their minute is over.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert as insert_on_conflict  # SQLite has the same

from s3gw.metadata import audit, failed_attempts
from s3gw.metadata.audit import Actor, Outcome
from s3gw.metadata.database import Connection, now
from s3gw.metadata.schema import refused_logins as table

MOST_LINES = 10  # a minute, of a name and of an address
LONGEST_NAME = 254  # characters of what somebody gave as a name; an e-mail address has no more
_MINUTE = 60_000_000  # microseconds


class Count(NamedTuple):
    """What an attempt was counted for by the limits: a name, or an address; `subject` is failed_attempts.py's."""

    subject: str
    name: str = ""
    address: str = ""


def record(conn: Connection, actor: Actor, action: str, name: str, counts: Sequence[Count], outcome: Outcome) -> None:
    """A login that ends in an error. `refused`: it was too many, and nobody looked at the password; `failed`: it was
    counted, and was wrong.
    """
    most = MOST_LINES if outcome == "failed" else MOST_LINES - 1  # which aren't noted by the limits themselves
    over = [count for count in counts if failed_attempts.window(conn, count.subject, 60)[1] > most]
    if outcome == "failed" and not over:
        audit.record(conn, actor, action, "user", name[:LONGEST_NAME], outcome=outcome)
    else:
        _fold(conn, action, over[0] if over else counts[-1])


def _fold(conn: Connection, action: str, count: Count) -> None:
    minute = now(conn) // _MINUTE
    values = {"action": action, "name": count.name[:LONGEST_NAME], "address": count.address, "minute": minute}
    statement = insert_on_conflict(table).values(**values, times=1)
    columns = list(table.primary_key.columns)
    conn.execute(statement.on_conflict_do_update(index_elements=columns, set_={"times": table.c.times + 1}))


def any_over(conn: Connection) -> bool:
    return bool(conn.execute(select(table.c.minute).where(table.c.minute < now(conn) // _MINUTE).limit(1)).all())


def write_lines(conn: Connection, limit: int) -> int:
    """The lines of at most `limit` counts whose minute is over; how many."""
    over = select(table).where(table.c.minute < now(conn) // _MINUTE).limit(limit).with_for_update()
    rows = conn.execute(over).all()
    for row in rows:
        conn.execute(delete(table).where(*(column == getattr(row, column.name) for column in table.primary_key)))
        actor = Actor("", "", "api", row.address)
        minute = {"minute": row.minute * _MINUTE}
        audit.record(conn, actor, row.action, "user", row.name, after=minute, outcome="refused", count=row.times)
    return len(rows)
