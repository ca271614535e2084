"""SQL of second factors: a user's sealed TOTP secret, and the recovery codes, which are stored hashed.

A code is used in one step with what it allows: each is good once, on every node.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from sqlalchemy import delete, func, insert, or_, select, update

from s3gw.metadata.database import Connection, now
from s3gw.metadata.schema import recovery_codes, users


class Totp(NamedTuple):
    """`confirmed_at` is None, and it isn't asked for, until a code has shown that the app has the secret."""

    sealed: bytes
    confirmed_at: int | None


def find(conn: Connection, user_id: str) -> Totp | None:
    row = conn.execute(
        select(users.c.sealed_totp, users.c.totp_confirmed_at).where(users.c.id == user_id)
    ).one_or_none()
    return None if row is None or row.sealed_totp is None else Totp(bytes(row.sealed_totp), row.totp_confirmed_at)


def enrol(conn: Connection, user_id: str, sealed: bytes) -> bool:
    """Whether none is confirmed; one that isn't is replaced."""
    unconfirmed = (users.c.id == user_id, users.c.totp_confirmed_at.is_(None))
    values = {"sealed_totp": sealed, "totp_last_step": None}
    return bool(conn.execute(update(users).where(*unconfirmed).values(values)).rowcount)


def confirm(conn: Connection, user_id: str, sealed: bytes, step: int) -> bool:
    """Whether this is the secret still, and unconfirmed."""
    this = (users.c.id == user_id, users.c.sealed_totp == sealed, users.c.totp_confirmed_at.is_(None))
    values = {"totp_confirmed_at": now(conn), "totp_last_step": step}
    return bool(conn.execute(update(users).where(*this).values(values)).rowcount)


def use_step(conn: Connection, user_id: str, step: int) -> bool:
    """Whether no code of this step, or a later one, was used before."""
    unused = or_(users.c.totp_last_step.is_(None), users.c.totp_last_step < step)
    this = (users.c.id == user_id, users.c.totp_confirmed_at.is_not(None), unused)
    return bool(conn.execute(update(users).where(*this).values(totp_last_step=step)).rowcount)


def use_recovery_code(conn: Connection, user_id: str, digest: bytes) -> bool:
    unused = (
        recovery_codes.c.user_id == user_id,
        recovery_codes.c.digest == digest,
        recovery_codes.c.used_at.is_(None),
    )
    return bool(conn.execute(update(recovery_codes).where(*unused).values(used_at=now(conn))).rowcount)


def replace_recovery_codes(conn: Connection, user_id: str, digests: Iterable[bytes]) -> None:
    conn.execute(delete(recovery_codes).where(recovery_codes.c.user_id == user_id))
    for digest in digests:
        conn.execute(insert(recovery_codes).values(user_id=user_id, digest=digest))


def remove(conn: Connection, user_id: str) -> None:
    replace_recovery_codes(conn, user_id, ())
    values = {"sealed_totp": None, "totp_confirmed_at": None, "totp_last_step": None}
    conn.execute(update(users).where(users.c.id == user_id).values(values))


def told(conn: Connection, user_id: str) -> dict[str, Any]:
    """What the audit log and the user may see of it."""
    found = find(conn, user_id)
    unused = (recovery_codes.c.user_id == user_id, recovery_codes.c.used_at.is_(None))
    left = conn.execute(select(func.count()).select_from(recovery_codes).where(*unused)).scalar_one()
    confirmed_at = None if found is None else found.confirmed_at
    return {"enabled": confirmed_at is not None, "confirmed_at": confirmed_at, "recovery_codes": int(left)}
