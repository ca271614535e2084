"""What a user may be called from now on: the one place that all doors ask. Names that are there already stay valid.

A name that looks like an id is refused, because commands take either. So is one that differs from somebody's only by
case: people would log in as, share with and delete the wrong one, and IAM keeps such names apart no more than we do.
"""

from __future__ import annotations

import re
import uuid

from sqlalchemy import func, select

from s3gw.metadata.database import Connection
from s3gw.metadata.schema import users
from s3gw.problems import Conflict, Fault, Invalid

PATTERN = r"^[A-Za-z0-9_.-]{3,50}$"
_PATTERN = re.compile(PATTERN.removeprefix("^").removesuffix("$"))


def check_user_name(name: str) -> None:
    """Raises Invalid."""
    if _PATTERN.fullmatch(name) is None:
        raise _refusal("has 3 to 50 of the characters A-Z a-z 0-9 _ . -")
    if _is_id(name):
        raise _refusal("can't look like an id (a UUID)")


def require_free(conn: Connection, name: str, user_id: str = "") -> None:
    """For a new user, or the one who is to be called so. Raises Conflict; a deleted user keeps its name for a while."""
    taken = select(users.c.name).where(func.lower(users.c.name) == name.lower(), users.c.id != user_id)
    found = conn.execute(taken.limit(1)).scalar_one_or_none()
    if found is not None:
        raise Conflict(f"there is already a user with the name {found}", faults=(Fault("username", "is taken"),))


def turn(name: str) -> str:
    """The key of writes that give it to somebody: two that differ by case take turns, where the database's own unique
    names would let both in.
    """
    return f"user name/{name.lower()}"


def _is_id(name: str) -> bool:
    try:
        uuid.UUID(name)
    except ValueError:
        return False
    return True


def _refusal(message: str) -> Invalid:
    return Invalid(f"a user name {message}", faults=(Fault("username", message),))
