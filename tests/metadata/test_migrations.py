"""The revisions create what schema.py says, on both databases."""

from __future__ import annotations

import importlib.resources
import json
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import RFC_4122, UUID

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.exc import OperationalError

from s3gw.metadata.database import UnsuitableDatabase
from s3gw.metadata.migrate import configuration, scripts, upgrade
from s3gw.metadata.migrate import upgrade as migrate
from s3gw.metadata.revision import NEWEST
from s3gw.metadata.schema import metadata
from tests.disks.small_disks import small_disk
from tests.postgresql import Server

_TABLES = """SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'alembic%'"""
_COLUMNS = """
    SELECT table_name, column_name, ordinal_position, data_type, is_nullable, collation_name, column_default
    FROM information_schema.columns WHERE table_schema = 'public' AND table_name NOT LIKE 'alembic%'"""
_INDEXES = "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename NOT LIKE 'alembic%'"
_COMMA_OUTSIDE_PARENTHESES = re.compile(r",(?![^()]*\))")
_CONSTRAINTS = """
    SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace AND conrelid::regclass::text NOT LIKE 'alembic%'"""


def _engine(url: str) -> Engine:
    return create_engine(url.replace("postgresql://", "postgresql+psycopg://"))


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    engine = _engine(database_url)
    with engine.connect() as opened:
        yield opened
    engine.dispose()


@pytest.fixture
def created_from_schema(connection: Connection, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Connection]:
    """A database of the same kind, made by schema.py."""
    if connection.dialect.name == "sqlite":
        url = f"sqlite:///{tmp_path}/schema.db"
    else:
        server: Server = request.getfixturevalue("postgresql")
        url = server.url(server.create_database("template0"))
    engine = _engine(url)
    metadata.create_all(engine)
    with engine.connect() as opened:
        yield opened
    engine.dispose()


def _description(connection: Connection) -> list[Any]:
    """Everything the database says about its tables, as a sorted list."""
    if connection.dialect.name == "sqlite":
        rows = [(name, _canonical(sql)) for name, sql in connection.execute(text(_TABLES))]
        return sorted(rows, key=repr)
    queries = (_COLUMNS, _INDEXES, _CONSTRAINTS)
    return sorted((tuple(row) for query in queries for row in connection.execute(text(query))), key=repr)


def _canonical(sql: str) -> list[str]:
    """A CREATE TABLE without its layout: the order of constraints means nothing, nor whether a column stands behind
    them, as one does that was added, nor the quotes of a renamed table.
    """
    head, _, body = " ".join(sql.split()).partition("(")
    body, _, tail = body.rpartition(")")
    parts = [part.strip() for part in _COMMA_OUTSIDE_PARENTHESES.split(body)]
    constraints = sorted(part for part in parts if part.startswith("CONSTRAINT "))
    columns = [part for part in parts if not part.startswith("CONSTRAINT ")]
    return [head.replace('"', "").strip(), *columns, *constraints, tail.strip()]


def test_alembic_finds_no_difference_between_the_migrated_database_and_the_schema(connection: Connection) -> None:
    def is_of_dialect(item: Any, name: str | None, kind: str, reflected: bool, compare_to: Any) -> bool:
        if (name or "").startswith("search_index"):  # tables of FTS5, and an index on an expression
            return False
        return kind != "index" or item._ddl_if in (None, (connection.dialect.name, None, None))  # which Alembic ignores

    opts = {"compare_type": True, "compare_server_default": True, "include_object": is_of_dialect}
    context = MigrationContext.configure(connection, opts=opts)
    assert compare_metadata(context, metadata) == []


def test_a_migrated_database_describes_itself_as_one_made_from_the_schema(
    connection: Connection, created_from_schema: Connection
) -> None:
    assert _description(connection) == _description(created_from_schema)
    assert len(_description(connection)) > 20


def test_migrating_again_changes_nothing(database_url: str, tmp_path: Path, connection: Connection) -> None:
    before = _description(connection)
    connection.rollback()
    migrate(database_url, tmp_path)
    assert _description(connection) == before


def test_the_newest_revision_that_the_program_knows_is_the_one_it_ships() -> None:
    assert ScriptDirectory.from_config(configuration()).get_current_head() == NEWEST


@pytest.mark.soak
def test_alembic_is_loaded_only_where_there_is_something_to_migrate(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    program = "import json, sys; from pathlib import Path; from s3gw.metadata.migrate import upgrade;"
    program += "upgrade(sys.argv[1], Path(sys.argv[2])); print(json.dumps('alembic' in sys.modules))"

    def loads_alembic(url: str) -> bool:
        command = [sys.executable, "-c", program, url, str(tmp_path)]
        return bool(json.loads(subprocess.run(command, capture_output=True, check=True, timeout=60).stdout))

    server: Server = request.getfixturevalue("postgresql")
    for url in (f"sqlite:///{tmp_path}/s3gw.db", server.url(server.create_database("template0"))):
        upgrade(url, tmp_path, "0004")  # as a start leaves it that was interrupted before the last revision
        assert loads_alembic(url)
        engine = _engine(url)
        with engine.connect() as connection:
            assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one() == NEWEST
        engine.dispose()
        assert not loads_alembic(url)


def test_uploads_and_their_parts_outlive_the_new_column(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    server: Server = request.getfixturevalue("postgresql")
    for url in (f"sqlite:///{tmp_path}/s3gw.db", server.url(server.create_database("template0"))):
        upgrade(url, tmp_path, "0003")
        engine = _engine(url)
        with engine.begin() as connection:
            for statement in (
                "INSERT INTO users VALUES ('u', 'c', 'a', 'name', NULL, 'n', 'user', NULL, 1, 1)",
                "INSERT INTO buckets VALUES (1, 'bucket', 'u', 'r', '', 1)",
                "INSERT INTO uploads VALUES ('id', 1, 'key', 1, 'u', 'u', 'STANDARD', NULL, NULL, NULL, NULL, NULL)",
                "INSERT INTO parts VALUES ('id', 1, 5, 'etag', 1, 7, NULL, NULL)",
            ):
                connection.execute(text(statement))
        upgrade(url, tmp_path)
        with engine.connect() as connection:
            assert connection.execute(text("SELECT upload_id, key_sequence FROM uploads")).all() == [("id", None)]
            assert connection.execute(text("SELECT upload_id, size FROM parts")).all() == [("id", 5)]
            users = connection.execute(text("SELECT id, account_owner_id, public_access_block FROM users")).all()
            assert users == [("u", None, 0)]
            # What was configured before is looked at from now on.
            assert connection.execute(text("SELECT name, rules_revision FROM buckets")).all() == [
                ("bucket", "migrated")
            ]
        engine.dispose()


def test_files_that_are_there_get_ids_and_are_counted(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    server: Server = request.getfixturevalue("postgresql")
    found = []
    for url in (f"sqlite:///{tmp_path}/s3gw.db", server.url(server.create_database("template0"))):
        upgrade(url, tmp_path, "0006")
        engine = _engine(url)
        row = "INSERT INTO objects (bucket_id, key, sequence, version_id, is_current, is_delete_marker, size, etag,"
        row += " last_modified, owner_id, storage_class) VALUES"
        with engine.begin() as connection:
            for statement in (
                "INSERT INTO users (id, canonical_id, account_id, name, display_name, role, is_enabled, created_at)"
                " VALUES ('u', 'c', 'a', 'name', 'n', 'user', 1, 1)",
                "INSERT INTO buckets (id, name, owner_id, region, versioning, created_at) VALUES"
                " (1, 'one', 'u', 'r', '', 1), (2, 'two', 'u', 'r', '', 1), (3, 'none', 'u', 'r', '', 1)",
                f"{row} (1, 'k\u00e9y', -3, 'v3', 1, 0, 7, 'e', 3, 'u', 'STANDARD'),"
                " (1, 'k\u00e9y', -2, 'v2', 0, 0, 5, 'e', 2, 'u', 'STANDARD'),"
                " (1, 'gone', -1, 'v1', 0, 1, 0, 'e', 1, 'u', 'STANDARD'),"
                " (2, 'k\u00e9y', -1, 'v1', 1, 0, 1, 'e', 1, 'u', 'STANDARD')",
                "INSERT INTO uploads (upload_id, bucket_id, key, initiated_at, owner_id, initiator_id, storage_class)"
                " VALUES ('up', 2, 'key', 1, 'u', 'u', 'STANDARD')",
                "INSERT INTO parts VALUES ('up', 1, 20, 'e', 1, 7, NULL, NULL), ('up', 2, 10, 'e', 1, 8, NULL, NULL)",
            ):
                connection.execute(text(statement))
        upgrade(url, tmp_path)
        with engine.connect() as connection:
            counted = connection.execute(text("SELECT * FROM usage ORDER BY bucket_id")).all()
            assert counted == [(1, 12, 0, 1, 2, 1, 0, 0), (2, 1, 30, 1, 1, 0, 0, 0), (3, *[0] * 7)]
            ids = connection.execute(text("SELECT bucket_id, key, file_id FROM objects ORDER BY 1, 2, 3")).all()
            found.append([(*row[:2], UUID(bytes=bytes(row[2]))) for row in ids])
        engine.dispose()
    of_sqlite, of_postgresql = found
    assert of_sqlite == of_postgresql
    assert len({row[2] for row in of_sqlite}) == len({row[:2] for row in of_sqlite}) == 3
    assert {row[2].version for row in of_sqlite} == {8}
    assert {row[2].variant for row in of_sqlite} == {RFC_4122}


def _old_database(tmp_path: Path) -> Path:
    """As a program left it that knew one revision less."""
    upgrade(None, tmp_path, "0003")
    return tmp_path / "s3gw.db"


def test_rows_that_refer_to_nothing_are_told_instead_of_served(tmp_path: Path) -> None:
    connection = sqlite3.connect(_old_database(tmp_path))  # which doesn't look for what is referred to
    with connection:
        connection.execute("INSERT INTO buckets VALUES (1, 'bucket', 'nobody', 'r', '', 1)")
    connection.close()
    with pytest.raises(UnsuitableDatabase, match="buckets"):
        migrate(None, tmp_path)


def test_a_revision_that_fails_in_the_middle_leaves_nothing(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "s3gw.db")
    connection.execute("CREATE TABLE audit_log (others INTEGER)")
    with pytest.raises(OperationalError, match="audit_log"):
        migrate(None, tmp_path)
    tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    assert {row[0] for row in tables} <= {"audit_log", "alembic_version"}
    connection.execute("DROP TABLE audit_log")
    connection.execute("CREATE TABLE IF NOT EXISTS alembic_version (version_num TEXT)")
    connection.close()
    migrate(None, tmp_path)


def test_a_migration_leaves_nothing_open(database_url: str, tmp_path: Path) -> None:
    before = len(os.listdir("/dev/fd"))
    migrate(database_url, tmp_path)
    assert len(os.listdir("/dev/fd")) == before


def test_starters_at_the_same_time_migrate_once(postgresql: Server, tmp_path: Path) -> None:
    """Whoever comes second waits, and finds it done. On SQLite the writers' lock does that."""
    for url in (f"sqlite:///{tmp_path}/new/s3gw.db", postgresql.url(postgresql.create_database("template0"))):
        with ThreadPoolExecutor(3) as threads:
            assert list(threads.map(lambda _: migrate(url, tmp_path), range(3))) == [None] * 3  # noqa: B023


def test_on_a_read_only_disk_a_database_is_served_as_it_is_or_not_at_all(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        _old_database(disk.folder)
        disk.remount("ro")
        with pytest.raises(UnsuitableDatabase, match="mount it writable"):
            migrate(None, disk.folder)
        disk.remount("rw")
        migrate(None, disk.folder)
        disk.remount("ro")
        migrate(None, disk.folder)


def test_a_database_newer_than_the_program_is_refused(
    database_url: str, tmp_path: Path, connection: Connection
) -> None:
    connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    connection.execute(text("UPDATE settings SET value = '9998' WHERE name = 'oldest_reader'"))
    connection.commit()
    with pytest.raises(UnsuitableDatabase, match="newer"):
        migrate(database_url, tmp_path)


def test_a_new_sqlite_database_vacuums_incrementally_and_keeps_a_write_ahead_log(tmp_path: Path) -> None:
    migrate(None, tmp_path)
    engine = _engine(f"sqlite:///{tmp_path}/s3gw.db")
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA auto_vacuum").scalar_one() == 2
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"
    engine.dispose()


def test_the_revisions_are_one_line_without_branches() -> None:
    directory = ScriptDirectory.from_config(configuration())
    assert len(directory.get_heads()) == 1
    assert all(len(revision.nextrev) <= 1 for revision in directory.walk_revisions())


def test_the_revisions_of_a_wheel_are_found_beside_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "_migrations").mkdir()
    # Stands for an installed wheel: building one is the packaging's test.
    monkeypatch.setattr("s3gw.metadata.migrate.files", lambda package: tmp_path)
    assert scripts() == tmp_path / "_migrations"
    monkeypatch.undo()
    assert scripts().is_relative_to(Path(str(importlib.resources.files("s3gw"))).parent)
