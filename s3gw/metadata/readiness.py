"""Whether the database can be used just now: asked by /readyz, and by commands before they do anything."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from s3gw.metadata import revision
from s3gw.metadata.database import Connection, DatabaseUnavailable, UnsuitableDatabase
from s3gw.metadata.schema import users
from s3gw.metadata.sqlite_connection import found_full

_PING = text("SELECT 1")


def ping(conn: Connection) -> bool:
    return bool(conn.execute(_PING).scalar_one() == 1)


def met_full_disk(error: BaseException, folder: Path) -> bool:
    """Whether an operation on SQLite failed only because the disk of that folder is full."""
    return found_full(error.__cause__, folder)


@contextmanager
def unreachable_is_unavailable() -> Iterator[None]:
    """Around a migration, which has a connection of its own: every error of the driver becomes DatabaseUnavailable."""
    try:
        yield
    except DBAPIError as error:
        raise DatabaseUnavailable(f"the database can't be used: {error.orig}") from error.orig
    except (SQLAlchemyError, sqlite3.Error, ValueError) as error:
        raise DatabaseUnavailable(f"the database can't be used: {error}") from error


def require_schema(conn: Connection) -> None:
    """Raises UnsuitableDatabase where no server has been started yet, or where this program is too old."""
    try:
        conn.execute(select(users.c.is_enabled).limit(1))
    except (SQLAlchemyError, sqlite3.Error) as error:
        raise UnsuitableDatabase("the database isn't ready: start the server once, which prepares it") from error
    too_old = revision.refusal(conn)
    if too_old is not None:
        raise UnsuitableDatabase(too_old)
