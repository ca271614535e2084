"""An engine that isn't PostgreSQL enough is refused with what it lacks."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from s3gw.metadata.database import UnsuitableDatabase
from s3gw.metadata.migrate import upgrade
from tests.postgresql import Server


def test_what_an_engine_lacks_is_named(postgresql: Server, tmp_path: Path) -> None:
    """Functions that are found before the server's own stand for an engine that has others."""
    name = postgresql.create_database("template0")
    with psycopg.connect(postgresql.url(name), autocommit=True) as connection:
        connection.execute("CREATE SCHEMA lacking")
        for function, answer in {
            "pg_try_advisory_xact_lock_shared(bigint) RETURNS boolean": "NULL::boolean",
            "current_setting(text) RETURNS text": "'serializable'",
            "array_to_tsvector(text[]) RETURNS int": "1",
            "pg_current_snapshot() RETURNS int": "1 / 0",
        }.items():
            connection.execute(f"CREATE FUNCTION lacking.{function} LANGUAGE sql AS $$ SELECT {answer} $$".encode())
    postgresql.execute(f"ALTER DATABASE {name} SET search_path = lacking, pg_catalog, public")
    with pytest.raises(UnsuitableDatabase) as refused:
        upgrade(postgresql.url(name), tmp_path)
    said = str(refused.value)
    for lacking in ("READ COMMITTED", "shared advisory locks", "GIN indexes", "pg_snapshot_xmin", "PostgreSQL 13"):
        assert lacking in said
    for there in ("SKIP LOCKED", "FOR SHARE", "COLLATE", "ON CONFLICT"):
        assert there not in said
