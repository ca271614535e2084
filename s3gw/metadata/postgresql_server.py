"""What a PostgreSQL URL leads to: whether the server has what s3gw stands on, and whether PgBouncer is between.

Engines that speak PostgreSQL's protocol lack this or that, and some don't say so. Therefore each thing is tried.
"""

from __future__ import annotations

import random
from typing import Any

import psycopg
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from s3gw.metadata.database import UnsuitableDatabase

# What is lacking where the statement fails, or gives something else.
_NEEDED: dict[str, tuple[str, object]] = {
    "PostgreSQL 13 or newer (server_version_num)": (
        "SELECT current_setting('server_version_num')::int >= 130000",
        True,
    ),
    "the isolation READ COMMITTED, with a snapshot for each statement": (
        "SELECT current_setting('transaction_isolation')",
        "read committed",
    ),
    "the isolation REPEATABLE READ, on which backups stand": (
        "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT current_setting('transaction_isolation')",
        "repeatable read",
    ),
    "advisory locks of transactions": ("SELECT pg_try_advisory_xact_lock(%(key)s)", True),
    "shared advisory locks of transactions": ("SELECT pg_try_advisory_xact_lock_shared(%(key)s)", True),
    "SELECT … FOR UPDATE SKIP LOCKED": (
        "CREATE TEMP TABLE s3gw_tried (id bigint) ON COMMIT DROP;"
        "SELECT count(*) FROM (SELECT id FROM s3gw_tried FOR UPDATE SKIP LOCKED) AS t",
        0,
    ),
    "SELECT … FOR SHARE": (
        "CREATE TEMP TABLE s3gw_tried (id bigint) ON COMMIT DROP;"
        "SELECT count(*) FROM (SELECT id FROM s3gw_tried FOR SHARE) AS t",
        0,
    ),
    "partial unique indexes that INSERT … ON CONFLICT finds": (
        "CREATE TEMP TABLE s3gw_tried (id bigint, kind bigint) ON COMMIT DROP;"
        "CREATE UNIQUE INDEX ON s3gw_tried (id) WHERE kind = 1;"
        "INSERT INTO s3gw_tried VALUES (1, 1) ON CONFLICT (id) WHERE kind = 1 DO NOTHING;"
        "INSERT INTO s3gw_tried VALUES (1, 1) ON CONFLICT (id) WHERE kind = 1 DO NOTHING;"
        "SELECT count(*) FROM s3gw_tried",
        1,
    ),
    "GIN indexes of words": (
        "CREATE TEMP TABLE s3gw_tried (words text) ON COMMIT DROP;"
        "CREATE INDEX ON s3gw_tried USING gin (array_to_tsvector(string_to_array(words, ' ')));"
        "SELECT count(*) FROM s3gw_tried",
        0,
    ),
    "numbers of transactions (pg_snapshot_xmin)": (
        "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint > 0",
        True,
    ),
    'the order of bytes (COLLATE "C")': ("""SELECT 'B' COLLATE "C" < 'a' COLLATE "C" """, True),
}
# What each connection is given where it is ours, and what has to be set for all of the role's where it isn't. A node
# that is stopped or cut off in the middle of a transaction must not hold its locks for long: others wait for them.
# Between two statements there is nothing to be done, so this is enough; what was ended so is begun again. A
# statement is the longest for scans of whole tables (s3gw usage check).
LIMITS = {
    "lock_timeout": "30s",
    "statement_timeout": "300s",
    "idle_in_transaction_session_timeout": "1500ms",
    "default_transaction_isolation": "read committed",
}
_LEFT_OUT = (
    "SELECT name FROM pg_settings WHERE (name LIKE %s AND setting = '0' AND name = ANY(%s))"
    " OR (name = 'default_transaction_isolation' AND setting <> 'read committed')"
)


def is_pooled(connection: psycopg.Connection[Any]) -> bool:
    """Whether somebody is between, who hands the connection on between transactions: the process that answers isn't the
    one that greeted.
    """
    row = connection.execute("SELECT pg_backend_pid()").fetchone()
    return row is not None and row[0] != connection.info.backend_pid


def require_limits(connection: psycopg.Connection[Any]) -> None:
    """Of a pooled connection, on which a SET would be that of whoever comes next."""
    names = [name for name in LIMITS if name.endswith("_timeout")]
    found = [name for (name,) in connection.execute(_LEFT_OUT, ("%timeout", names)).fetchall()]
    if found:
        role = connection.info.user
        wanted = "; ".join(f"ALTER ROLE \"{role}\" SET {name} = '{LIMITS[name]}'" for name in sorted(found))
        raise UnsuitableDatabase(
            f"PostgreSQL is reached through a pooler (PgBouncer), where s3gw can't set limits itself: {wanted};"
            " and have the pooler connect anew"
        )


def refuse_unsafe(engine: Engine) -> None:
    """Refuse a server that forgets what it acknowledged, or whose advisory locks don't exclude (some proxies)."""
    with engine.connect() as one, engine.connect() as other:
        for setting in ("fsync", "synchronous_commit"):
            if one.exec_driver_sql(f"SHOW {setting}").scalar_one() == "off":
                raise UnsuitableDatabase(f"PostgreSQL runs with {setting} = off: what it acknowledged can be lost.")
        key = random.getrandbits(62)
        take = f"SELECT pg_try_advisory_xact_lock({key})"
        if not one.exec_driver_sql(take).scalar_one() or other.exec_driver_sql(take).scalar_one():
            raise UnsuitableDatabase("PostgreSQL's advisory locks don't exclude one connection by another.")
        one.rollback()
        if not other.exec_driver_sql(take).scalar_one():
            raise UnsuitableDatabase("PostgreSQL's advisory locks outlive their transaction.")


def refuse_lacking(connection: Connection) -> None:
    """Refuse an engine that speaks PostgreSQL's protocol and lacks something. Before tables are made or changed."""
    driver: Any = connection.connection.driver_connection
    lacking = [what for what, (statements, answer) in _NEEDED.items() if not _has(driver, statements, answer)]
    if lacking:
        raise UnsuitableDatabase(f"this server isn't PostgreSQL enough for s3gw. It lacks: {'; '.join(lacking)}")


def _has(driver: psycopg.Connection[Any], statements: str, answer: object) -> bool:
    """In a transaction of its own, which is undone. Raises what says that the server can't be reached."""
    try:
        for statement in statements.split(";"):
            text = statement.replace("%(key)s", str(random.getrandbits(62)))
            cursor = driver.execute(text.encode())
        return cursor.fetchone() == (answer,)
    except psycopg.OperationalError:
        raise
    except psycopg.Error:
        return False
    finally:
        driver.rollback()


def sqlstate(error: BaseException) -> str | None:
    cause = error.orig if isinstance(error, DBAPIError) else error
    return getattr(cause, "sqlstate", None)
