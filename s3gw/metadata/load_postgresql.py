"""SQL of backups, writing to PostgreSQL: tables are made and filled in a schema of their own, then change over.

See load.py. For that the role must be allowed to make schemas (CREATE on the database).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg
from sqlalchemy import make_url
from sqlalchemy.exc import DBAPIError

from s3gw.metadata.database import UnsuitableDatabase
from s3gw.metadata.dumped import IDENTITY, Loaded, quoted
from s3gw.metadata.postgresql import make_engine, translated
from s3gw.metadata.postgresql_server import is_pooled

_BESIDE = "s3gw_restoring"
_RELATIONS = """SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %s AND c.relkind IN ('r', 'p') ORDER BY c.relname"""


@contextmanager
def _connected(url: str) -> Iterator[psycopg.Connection[Any]]:
    """One transaction, of as long as it takes."""
    engine = make_engine(url, 1)
    try:
        with engine.connect() as connection:
            driver = connection.connection.driver_connection
            assert isinstance(driver, psycopg.Connection)
            if is_pooled(driver):  # it would be given another search_path than it asked for
                raise UnsuitableDatabase(
                    "a restore needs a connection to PostgreSQL itself, past the pooler (PgBouncer)"
                )
            driver.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
            yield driver
            driver.commit()
            connection.invalidate()
    except (DBAPIError, psycopg.Error) as error:
        raise translated(error) from error
    finally:
        engine.dispose()


def _schema_of(driver: psycopg.Connection[Any]) -> str:
    """The one whose tables servers use."""
    row = driver.execute("SELECT current_schema()").fetchone()
    if row is None or row[0] is None:
        raise UnsuitableDatabase("the role has no schema for tables (search_path)")
    return str(row[0])


def _tables_in(driver: psycopg.Connection[Any], schema: str) -> list[str]:
    return [name for (name,) in driver.execute(_RELATIONS, (schema,)).fetchall()]


def require_empty_postgresql(url: str) -> None:
    with _connected(url) as driver:
        schema = _schema_of(driver)
        if found := _tables_in(driver, schema):
            raise UnsuitableDatabase(f"the database isn't empty: there is the table {found[0]} in the schema {schema}")


def identity_in_postgresql(url: str) -> str | None:
    with _connected(url) as driver:
        if "settings" not in _tables_in(driver, _schema_of(driver)):
            return None
        row = driver.execute(IDENTITY).fetchone()
        return None if row is None else str(row[0])


@contextmanager
def building_postgresql(url: str) -> Iterator[str]:
    with _connected(url) as driver:
        driver.execute(f"DROP SCHEMA IF EXISTS {_BESIDE} CASCADE")
        driver.execute(f"CREATE SCHEMA {_BESIDE}")
    beside = make_url(url)
    options = f"{beside.query.get('options', '')} -csearch_path={_BESIDE}".strip()
    yield beside.update_query_dict({"options": options}).render_as_string(hide_password=False)
    with _connected(url) as driver:
        schema = _schema_of(driver)
        for name in _tables_in(driver, _BESIDE):  # with their indexes and sequences
            driver.execute(f"ALTER TABLE {_BESIDE}.{quoted(name)} SET SCHEMA {quoted(schema)}")
        driver.execute(f"DROP SCHEMA {_BESIDE}")


def fill_postgresql(url: str, tables: Iterable[Loaded], sequences: Mapping[str, int]) -> None:
    with _connected(url) as driver:
        names = [name for name in _tables_in(driver, _schema_of(driver)) if name != "alembic_version"]
        driver.execute(f"TRUNCATE {', '.join(map(quoted, names))}")
        for table in tables:
            columns = ", ".join(map(quoted, table.columns))
            with driver.cursor().copy(f"COPY {quoted(table.name)} ({columns}) FROM STDIN") as copy:
                for row in table.rows:
                    copy.write_row(row)
        for name, last in sequences.items():
            sequence = "pg_get_serial_sequence(%s, 'id')"
            driver.execute(f"SELECT setval({sequence}, greatest(%s, 1), %s > 0)", (quoted(name), last, last))
        for name in names:
            driver.execute(f"ANALYZE {quoted(name)}")
