"""SQL of failed attempts, one row each, and of the addresses from which users have logged in.

Writers of one subject take turns (their `keys`), so that a count and the row that follows from it are one step on every
node.
"""

from __future__ import annotations

from sqlalchemy import bindparam, func, insert, select, update

from s3gw.metadata import logins
from s3gw.metadata.database import Connection, now
from s3gw.metadata.prepared import Prepared
from s3gw.metadata.schema import failed_attempts, known_addresses

# Each login asks these on the event loop, some of them twice.
_window = Prepared(
    select(func.min(failed_attempts.c.at), func.count()).where(
        failed_attempts.c.subject == bindparam("of_subject"), failed_attempts.c.at > bindparam("since")
    )
)
_known = Prepared(
    select(known_addresses.c.user_id).where(
        known_addresses.c.user_id == bindparam("of_user"),
        known_addresses.c.address == bindparam("of_address"),
        known_addresses.c.last_login_at > bindparam("since"),
    )
)


def window(conn: Connection, subject: str, seconds: int) -> tuple[int, int]:
    """When the oldest attempt of the last `seconds` was (microseconds since the epoch; now where there is none), and
    how many there were.
    """
    at = now(conn)
    ((oldest, count),) = _window.all(conn, of_subject=subject, since=at - seconds * 1_000_000)
    return int(oldest or at), int(count)


def note(conn: Connection, subject: str, most: int, seconds: int) -> bool:
    """Whether it was one of the `most` that `seconds` may have; it is noted then."""
    if window(conn, subject, seconds)[1] >= most:
        return False
    conn.execute(insert(failed_attempts).values(subject=subject, at=now(conn)))
    return True


def who(conn: Connection, name: str, address: str, days: int) -> tuple[str | None, bool]:
    """The id of the user whom a login as `name` would be of, and whether he has logged in from there within so many
    days.
    """
    login, since = logins.find_login(conn, name), now(conn) - days * 86_400_000_000
    user_id = None if login is None else login.user_id
    is_known = bool(_known.all(conn, of_user=user_id or "", of_address=address, since=since))  # asked of nobody too
    return user_id, is_known


def know_address(conn: Connection, user_id: str, address: str) -> None:
    this = (known_addresses.c.user_id == user_id, known_addresses.c.address == address)
    if not conn.execute(update(known_addresses).where(*this).values(last_login_at=now(conn))).rowcount:
        conn.execute(insert(known_addresses).values(user_id=user_id, address=address, last_login_at=now(conn)))
