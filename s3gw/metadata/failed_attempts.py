"""SQL of failed attempts, one row each, and of the addresses from which users have logged in.

Writers of one subject take turns (their `keys`), so that a count and the row that follows from it are one step on every
node.
"""

from __future__ import annotations

from sqlalchemy import func, insert, select, update

from s3gw.metadata.database import Connection, now
from s3gw.metadata.schema import failed_attempts, known_addresses, users


def window(conn: Connection, subject: str, seconds: int) -> tuple[int, int]:
    """When the oldest attempt of the last `seconds` was (microseconds since the epoch; now where there is none), and
    how many there were.
    """
    at = now(conn)
    of_window = select(func.min(failed_attempts.c.at).label("oldest"), func.count().label("n")).where(
        failed_attempts.c.subject == subject, failed_attempts.c.at > at - seconds * 1_000_000
    )
    row = conn.execute(of_window).one()
    return int(row.oldest or at), int(row.n)


def note(conn: Connection, subject: str, most: int, seconds: int) -> bool:
    """Whether it was one of the `most` that `seconds` may have; it is noted then."""
    if window(conn, subject, seconds)[1] >= most:
        return False
    conn.execute(insert(failed_attempts).values(subject=subject, at=now(conn)))
    return True


def is_known_address(conn: Connection, name: str, address: str, days: int) -> bool:
    """Whether the user of that name, or e-mail address, has logged in from there within so many days."""
    since = now(conn) - days * 86_400_000_000
    found = (
        select(known_addresses.c.user_id)
        .join_from(known_addresses, users, known_addresses.c.user_id == users.c.id)
        .where((users.c.name == name) | (users.c.email == name.lower()))
        .where(known_addresses.c.address == address, known_addresses.c.last_login_at > since)
    )
    return bool(conn.execute(found.limit(1)).all())


def know_address(conn: Connection, user_id: str, address: str) -> None:
    this = (known_addresses.c.user_id == user_id, known_addresses.c.address == address)
    if not conn.execute(update(known_addresses).where(*this).values(last_login_at=now(conn))).rowcount:
        conn.execute(insert(known_addresses).values(user_id=user_id, address=address, last_login_at=now(conn)))
