"""SQL of backups, reading PostgreSQL: one REPEATABLE READ transaction, and each table by COPY. See dump.py."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from sqlalchemy.exc import DBAPIError

from s3gw.metadata.dumped import Dump, Dumped, counting, quoted, require_newest, type_of
from s3gw.metadata.postgresql import make_engine, translated
from s3gw.metadata.schema import metadata


@contextmanager
def open_postgresql_dump(url: str) -> Iterator[Dump]:
    engine = make_engine(url, 1, read_only=True)
    try:
        with engine.connect() as connection:
            driver = connection.connection.driver_connection
            assert isinstance(driver, psycopg.Connection)
            driver.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            # Between two tables the place is written to, which may take longer than a session may be idle.
            driver.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
            dump = _PostgreSQLDump(driver)
            found = driver.execute("SELECT version_num FROM alembic_version").fetchone()
            require_newest(None if found is None else str(found[0]))
            yield dump
            connection.invalidate()
    except (DBAPIError, psycopg.Error) as error:
        raise translated(error) from error
    finally:
        engine.dispose()


class _PostgreSQLDump:
    engine = "postgresql"

    def __init__(self, driver: psycopg.Connection[Any]) -> None:
        self._driver = driver

    def rows(self, table: Dumped) -> Iterator[tuple[Any, ...]]:
        columns = metadata.tables[table.name].columns
        # By the table's name, or the order would be that of what is selected, for which there is no index.
        key = ", ".join(f"t.{quoted(table.columns[place])}" for place in table.keys)
        types = [type_of(columns_of) for columns_of in columns.values()]
        names = ", ".join(f"t.{quoted(name)}::{kind}" for name, kind in zip(table.columns, types, strict=True))
        query = f"COPY (SELECT {names} FROM {quoted(table.name)} t ORDER BY {key}) TO STDOUT (FORMAT BINARY)"
        with self._driver.cursor().copy(query) as copy:
            copy.set_types(types)
            yield from copy.rows()

    def setting(self, name: str) -> str | None:
        row = self._driver.execute("SELECT value FROM settings WHERE name = %s", (name,)).fetchone()
        return None if row is None else str(row[0])

    def sequences(self) -> dict[str, int]:
        found = {}
        for name in counting():
            sequence = self._driver.execute("SELECT pg_get_serial_sequence(%s, 'id')", (quoted(name),)).fetchone()
            assert sequence is not None
            row = self._driver.execute(f"SELECT last_value, is_called FROM {sequence[0]}").fetchone()
            assert row is not None
            found[name] = row[0] if row[1] else 0
        return found
